import { aimOf } from './aims.ts'
import type { Figure, Result } from './results.ts'
import { numberText, ratioText, timeText } from './table.ts'

const WIDTH = 860
const LABEL = 190
const BAR = 22
const GAP = 8
const AXIS = 34

const STYLE = `
:root { --ink: #1d2733; --soft: #5c6b7a; --line: #d9e0e7; --paper: #fff; --tenon: #0b7a75; --peer: #a9b8c6; --miss: #b3361e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9aa8b6; --line: #33404d; --paper: #12181f; --tenon: #35b5ac; --peer: #54677a; --miss: #ef7d66 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: ${WIDTH}px; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.6rem 0 .4rem }
p, li { color: var(--soft) } ul { padding-left: 1.1rem; font-size: .9rem }
svg { width: 100%; height: auto; font: 13px system-ui, sans-serif; fill: var(--ink) }
svg .soft { fill: var(--soft) } svg .grid { stroke: var(--line) } svg .range { stroke: var(--ink); stroke-width: 1.5 }
svg .tenon { fill: var(--tenon) } svg .peer { fill: var(--peer) }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left }
th { color: var(--soft); font-weight: 500 } .miss { color: var(--miss) } .met { color: var(--tenon) }`

/** The report as one file, without anything from elsewhere: a plot and a table for each workload. */
export function report(machine: string[], results: Result[]): string {
  const items = machine.map((line) => `<li>${escapeHtml(line)}</li>`).join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tenon beside its peers</title><style>${STYLE}</style></head><body>
<h1>Tenon beside its peers</h1>
<p>Tenon with authentication, limits, validation, ETags, metrics and logs on; the peers validate, and do none of the rest.
A bar is the median, the line across its end runs from the lowest round to the highest.</p>
<ul>${items}</ul>
${summary(results)}
${results.map(section).join('\n')}
</body></html>
`
}

function summary(results: Result[]): string {
  const rows = results.flatMap((result) =>
    result.figures.flatMap((figure) => {
      const aim = aimOf(result, figure)
      if (!aim) return []
      const reached = ratioText(figure) || `${numberText(figure.value)} ${result.unit}`
      return `<tr><td>${escapeHtml(result.title)}</td><td>${escapeHtml(figure.subject)}</td><td>${reached}</td><td>${verdict(aim)}</td></tr>`
    })
  )
  if (rows.length === 0) return ''
  const head = '<tr><th>workload</th><th>beside</th><th>reached</th><th>to reach</th></tr>'
  return `<h2>To reach</h2><table>${head}${rows.join('\n')}</table>`
}

function section(result: Result): string {
  const better = result.isLowerBetter ? 'less is better' : 'more is better'
  const hasCpu = result.figures.some(({ cpuUs }) => cpuUs !== undefined)
  const plots = [plot(result.figures, ({ value, samples }) => ({ value, samples }), `${result.unit} (${better})`)]
  if (hasCpu)
    plots.push(
      plot(
        result.figures,
        ({ cpuUs }) => ({ value: cpuUs, samples: [] }),
        'CPU µs of the server per request (less is better)'
      )
    )
  const head = `<tr><th></th><th>${escapeHtml(result.unit)}</th><th>CPU/request</th><th>p50</th><th>p99</th><th>Tenon ÷ it</th><th>to reach</th></tr>`
  const rows = result.figures.map((one) => {
    const aim = aimOf(result, one)
    const cells = [numberText(one.value), timeText(one.cpuUs), timeText(one.p50Us), timeText(one.p99Us), ratioText(one)]
    const middle = cells.map((cell) => `<td>${cell}</td>`).join('')
    return `<tr><td>${escapeHtml(one.subject)}</td>${middle}<td>${aim ? verdict(aim) : ''}</td></tr>`
  })
  return `<h2>${escapeHtml(result.title)}</h2>\n${plots.join('\n')}\n<table>${head}${rows.join('\n')}</table>`
}

const verdict = ({ isMet, text }: { isMet: boolean; text: string }) =>
  `<span class="${isMet ? 'met' : 'miss'}">${isMet ? '✓' : '✗'} ${escapeHtml(text)}</span>`

function plot(
  figures: Figure[],
  of: (figure: Figure) => { value: number | undefined; samples: number[] },
  label: string
): string {
  const bars = figures.flatMap((figure, at) => {
    const { value, samples } = of(figure)
    return value === undefined || !Number.isFinite(value)
      ? []
      : [{ name: figure.subject, value, samples, isOwn: at === 0 }]
  })
  const ticks = ticksUpTo(Math.max(...bars.flatMap(({ value, samples }) => [value, ...samples])))
  const most = ticks.at(-1) as number
  const x = (value: number) => LABEL + (value / most) * (WIDTH - LABEL - 90)
  const bottom = bars.length * (BAR + GAP)
  const grid = ticks.map(
    (tick) => `<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="0" y2="${bottom}"/>
<text class="soft" x="${x(tick)}" y="${bottom + 14}" text-anchor="middle">${numberText(tick)}</text>`
  )
  const drawn = bars.map(({ name, value, samples, isOwn }, at) => {
    const y = at * (BAR + GAP)
    const middle = y + BAR / 2
    const range =
      samples.length > 1
        ? `<line class="range" x1="${x(Math.min(...samples))}" x2="${x(Math.max(...samples))}" y1="${middle}" y2="${middle}"/>`
        : ''
    const end = x(Math.max(value, ...samples)) + 6
    return `<text x="${LABEL - 10}" y="${middle + 4}" text-anchor="end">${escapeHtml(name)}</text>
<rect class="${isOwn ? 'tenon' : 'peer'}" x="${LABEL}" y="${y}" width="${Math.max(1, x(value) - LABEL)}" height="${BAR}" rx="3"/>
${range}<text x="${end}" y="${middle + 4}">${numberText(value)}</text>`
  })
  const height = bottom + AXIS
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(label)}">${grid.join('\n')}
${drawn.join('\n')}
<text class="soft" x="${LABEL}" y="${height - 4}">${escapeHtml(label)}</text></svg>`
}

// Four to eight round numbers from zero to just above the largest value.
function ticksUpTo(largest: number): number[] {
  const rough = (largest || 1) / 5
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) as number) * magnitude
  return Array.from({ length: Math.ceil((largest || 1) / step) + 1 }, (_none, at) => at * step)
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (one) => entities[one] as string)
}
