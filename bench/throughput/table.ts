import { styleText } from 'node:util'
import { aimOf } from './aims.ts'
import type { Figure, Result } from './results.ts'

const HEADINGS = ['', 'value', 'unit', 'CPU/req', 'p50', 'p99', 'Tenon ÷ it', 'to reach']

/** All results as one table, for a terminal. */
export function table(results: Result[]): string {
  const rows: string[][] = [HEADINGS]
  for (const result of results) {
    rows.push([result.title])
    for (const one of result.figures) {
      const aim = aimOf(result, one)
      const cells = [numberText(one.value), result.unit, timeText(one.cpuUs), timeText(one.p50Us), timeText(one.p99Us)]
      rows.push([`  ${one.subject}`, ...cells, ratioText(one), aim ? `${aim.isMet ? 'yes' : 'NO'}: ${aim.text}` : ''])
    }
  }
  const widths = HEADINGS.map((_heading, at) =>
    Math.max(...rows.filter((row) => row.length > 1).map((row) => (row[at] ?? '').length))
  )
  const lines = rows.map((row) => {
    if (row.length === 1) return styleText('bold', row[0] as string)
    const pad = (cell: string, at: number) =>
      at === 0 || at === 2 || at === 7 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number)
    return row.map(pad).join('  ').trimEnd()
  })
  return lines.join('\n')
}

/** A number with as many places as are of use. */
export function numberText(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
}

/** A time in microseconds, milliseconds from 10 ms on. */
export function timeText(us: number | undefined): string {
  if (us === undefined) return ''
  return us < 10_000 ? `${numberText(us)} µs` : `${numberText(us / 1000)} ms`
}

/** How many times Tenon has what another has. */
export function ratioText({ ratio }: Figure): string {
  return ratio === undefined ? '' : `${ratio.toFixed(2)} ×`
}
