const PARTS = /^(?:(-?\d+) years? ?)?(?:(-?\d+) mons? ?)?(?:(-?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?$/

/** An interval as ISO 8601 has it, from the text of PostgreSQL: `1 day 02:00:00` is `P1DT2H`. */
export function toIsoDuration(text: string): string {
  const parts = PARTS.exec(text.replace(/\+(?=\d+ )/g, ''))
  // Another style of the database, or infinity: as it is.
  if (!parts) return text
  const [, years, months, days, sign, hours, minutes, seconds] = parts
  const of = (amount: string | undefined, unit: string, minus = '') =>
    Number(amount ?? 0) === 0 ? '' : `${minus}${(amount as string).replace(/^0+(?=\d)/, '')}${unit}`
  const minus = sign === '-' ? '-' : ''
  const day = of(years, 'Y') + of(months, 'M') + of(days, 'D')
  const time = of(hours, 'H', minus) + of(minutes, 'M', minus) + of(seconds, 'S', minus)
  if (day === '' && time === '') return 'PT0S'
  return `P${day}${time && `T${time}`}`
}
