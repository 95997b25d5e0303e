/** One line of a chart. */
export interface Series {
  name: string
  /** A CSS class, by which the style of the page colours it. */
  look: string
  points: [x: number, y: number][]
  /** Whether the surface below it is tinted. */
  isFilled?: boolean
}

/** What a chart shows. */
export interface Chart {
  title: string
  series: Series[]
  /** What stands at a value of each axis. */
  xLabel(x: number): string
  yLabel(y: number): string
  /** Where the horizontal axis has marks; evenly when left out. */
  xTicks?: number[]
}

const [WIDTH, HEIGHT] = [640, 260]
const [LEFT, RIGHT, TOP, BOTTOM] = [58, 14, 12, 30]

/** Draws lines over two axes, as SVG that needs no script and follows the colours of the page. */
export function drawChart({ title, series, xLabel, yLabel, xTicks }: Chart): string {
  const all = series.flatMap(({ points }) => points)
  if (all.length === 0)
    return `<figure><figcaption>${escapeHtml(title)}</figcaption><p class="none">nothing to show</p></figure>`
  const [low, high] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))]
  const yTicks = niceTicks(Math.max(...all.map(([, y]) => y)))
  const top = yTicks.at(-1) as number
  const x = (value: number) => LEFT + ((value - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT)
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)
  const ticks = xTicks ?? spread(low, high)

  const grid = yTicks.map(
    (value) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${at(y(value) + 4)}" text-anchor="end">${escapeHtml(yLabel(value))}</text>`
  )
  const marks = ticks.map(
    (value) =>
      `<text class="tick" x="${at(x(value))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeHtml(xLabel(value))}</text>`
  )
  const lines = series.map(({ name, look, points, isFilled }) => {
    const path = points.map(([px, py], index) => `${index === 0 ? 'M' : 'L'}${at(x(px))} ${at(y(py))}`).join('')
    const [first, last] = [points[0], points.at(-1)] as [[number, number], [number, number]]
    const area = `${path}L${at(x(last[0]))} ${at(y(0))}L${at(x(first[0]))} ${at(y(0))}Z`
    const dots =
      points.length === 1 ? `<circle class="dot ${look}" cx="${at(x(first[0]))}" cy="${at(y(first[1]))}" r="3"/>` : ''
    const label = `<title>${escapeHtml(name)}</title>`
    return `${isFilled ? `<path class="area ${look}" d="${area}"/>` : ''}<path class="line ${look}" d="${path}">${label}</path>${dots}`
  })
  const legend = series.map(({ name, look }) => `<span class="key ${look}">${escapeHtml(name)}</span>`).join('')
  return `<figure><figcaption>${escapeHtml(title)}<span class="legend">${legend}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${grid.join('')}${marks.join('')}${lines.join('')}</svg></figure>`
}

/** From 0 to at least a value, in steps of 1, 2, 2.5 or 5 times a power of ten. */
export function niceTicks(most: number, count = 4): number[] {
  const rough = Math.max(most, 1e-6) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 2.5, 5].find((one) => one * power >= rough * 0.999) ?? 10) * power
  const steps = Math.max(1, Math.ceil(most / step - 1e-9))
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(6)))
}

// Whole steps from the left, as far as the right end.
const spread = (low: number, high: number) =>
  niceTicks(Math.max(1, high - low), 6)
    .map((step) => low + step)
    .filter((value) => value <= high && Number.isInteger(value - low))

/** One row of a bar chart: a wide pale bar, and a narrower full one in it. */
export interface Bar {
  name: string
  inner: number
  outer: number
}

/** Draws bars below one another. @param legend what the inner and the outer bar are. */
export function drawBars(
  title: string,
  bars: Bar[],
  legend: [string, string],
  label: (value: number) => string
): string {
  const height = Math.max(60, bars.length * 26 + 8)
  const most = Math.max(...bars.map(({ outer }) => outer), 1e-6)
  const width = (value: number) => at((value / most) * (WIDTH - 330))
  const rows = bars.map(({ name, inner, outer }, index) => {
    const y = index * 26 + 6
    return (
      `<text class="name" x="184" y="${y + 13}" text-anchor="end">${escapeHtml(name.length > 26 ? `${name.slice(0, 25)}…` : name)}</text>` +
      `<rect class="outer a" x="194" y="${y}" width="${width(outer)}" height="18" rx="3"/>` +
      `<rect class="inner a" x="194" y="${y}" width="${width(inner)}" height="18" rx="3"/>` +
      `<text class="tick" x="${Number(width(outer)) + 202}" y="${y + 13}">${escapeHtml(`${label(inner)} / ${label(outer)}`)}</text>`
    )
  })
  return `<figure><figcaption>${escapeHtml(title)}<span class="legend"><span class="key a">${legend[0]}</span><span class="key pale">${legend[1]}</span></span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">${rows.join('')}</svg></figure>`
}

const at = (value: number) => String(Math.round(value * 10) / 10)

/** A text as HTML. */
export function escapeHtml(text: string): string {
  const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (one) => escapes[one] as string)
}
