import type { Place } from './cursor.ts'

interface Span {
  limit: number
  /** Where the page begins; undefined for the first. */
  place: Place | undefined
}

/**
 * The rows of a page in the order of its list, with the cursors of its neighbours.
 * @param found one row more than the limit where there are more; backwards for a page before a place.
 * @param write the cursor of a row.
 */
export function pageOfRows<R>(
  found: R[],
  { limit, place }: Span,
  write: (direction: Place['direction'], row: R) => string
): { data: R[]; page: { limit: number; next: string | null; previous: string | null } } {
  const isPrevious = place?.direction === 'previous'
  const hasMore = found.length > limit
  const data = found.slice(0, limit)
  if (isPrevious) data.reverse()
  const [first, last] = [data[0], data.at(-1)]
  const next = last && (hasMore || isPrevious) ? write('next', last) : null
  const previous = first && (isPrevious ? hasMore : place) ? write('previous', first) : null
  return { data, page: { limit, next, previous } }
}
