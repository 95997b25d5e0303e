// The digits that a moment's text lacks, by where its zone begins: PostgreSQL leaves out zeros at the end of a
// fraction.
const ENDS: Record<number, string> = { 19: '.000Z', 21: '00Z', 22: '0Z' }

/**
 * A moment as RFC 3339 in UTC, from the text of PostgreSQL: with three to six digits of a second, as many as are stored.
 * No Date in between: the connection's time zone is UTC, so "2026-01-31 09:30:00.5+00" only needs rewriting.
 * Moments beyond RFC 3339, stored by other programs, are given in PostgreSQL's spelling: `infinity`,
 * `0044-03-15T00:00:00.000Z BC`, `10000-01-01T00:00:00.000Z`.
 */
export function toRfc3339(text: string): string {
  const zoneAt = text.length - 3
  const end = text[zoneAt] === '+' ? zoneAt : text.length
  if (text[10] !== ' ' || text.endsWith('C')) return rareMoment(text)
  return `${text.slice(0, 10)}T${text.slice(11, end)}${ENDS[end] ?? 'Z'}`
}

function rareMoment(text: string): string {
  const parts = /^(\d+-\d\d-\d\d) ([\d:]+)(?:\.(\d+))?(?:\+00)?( BC)?$/.exec(text)
  if (!parts) return text
  const [, date, time, fraction = '', era = ''] = parts
  return `${date}T${time}.${fraction.padEnd(3, '0')}Z${era}`
}
