const SEARCH = 4
const DEEP_INCLUDE = 2

/**
 * How many requests a request counts for: the number that its route declares, more for a search, and more for each
 * include of an include, which is a statement of its own.
 * @param url as sent, with its query: the cost is charged before the query is parsed.
 */
export function costOf(declared: number | undefined, url: string): number {
  const cost = declared ?? 1
  const mark = url.indexOf('?')
  if (mark < 0) return cost
  const query = url.slice(mark + 1)
  const isSearch = /(?:^|&)q=/.test(query)
  const includes = /(?:^|&)include=([^&]*)/.exec(query)?.[1] ?? ''
  const deep = includes.split(/,|%2c/i).filter((path) => /\.|%2e/i.test(path)).length
  return cost + (isSearch ? SEARCH : 0) + deep * DEEP_INCLUDE
}

/** Whether an answer is free: a 304, but not for `*`, which would make every read free. */
export const isFree = (status: number, ifNoneMatch: string | undefined): boolean =>
  status === 304 && ifNoneMatch?.trim() !== '*'
