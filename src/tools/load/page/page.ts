import type { Verdict } from '../expect.ts'
import type { LoadReport } from '../report.ts'
import { drawBars, drawChart, escapeHtml } from './chart.ts'
import { STYLE } from './style.ts'
import { count, delta, duration, ms, paceText, percent } from './text.ts'

const MAX_BARS = 9

/**
 * A report as one HTML page, with nothing in it that is loaded from elsewhere.
 * @param earlier a run to compare with.
 */
export function loadPage(report: LoadReport, verdicts: Verdict[], earlier?: LoadReport): string {
  const { title, server, startedAt, pace, seconds } = report
  const when = `${startedAt.slice(0, 16).replace('T', ' ')} UTC`
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load on ${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main>
<header><h1>Load on ${escapeHtml(title)}</h1>
<div class="sub">${escapeHtml(server)} · ${when} · ${duration(seconds)} · ${escapeHtml(paceText(pace))}</div>
${earlier ? `<div class="sub">compared with the run of ${earlier.startedAt.slice(0, 16).replace('T', ' ')} UTC, ${escapeHtml(paceText(earlier.pace))}</div>` : ''}
${verdictList(verdicts)}</header>
<section class="tiles">${tiles(report, earlier).join('')}</section>
<section class="charts">${charts(report, earlier).join('\n')}</section>
<h2>Operations</h2>
${operationsTable(report, earlier)}
<h2>Errors</h2>
${errorsTable(report)}
${serverTable(report)}
${footer(report)}
</main></body></html>
`
}

function verdictList(verdicts: Verdict[]): string {
  if (verdicts.length === 0) return ''
  const items = verdicts.map(({ text, isMet, actual }) => {
    const shown = Math.round(actual * 100) / 100
    return `<li class="${isMet ? 'better' : 'worse'}">${isMet ? '✓' : '✗'} ${escapeHtml(text)} <span class="same">(${shown})</span></li>`
  })
  return `<ul class="verdicts">${items.join('')}</ul>`
}

function tiles(
  { requests, rate, errors, latency, cpuPercent, serverParts, unsent }: LoadReport,
  earlier?: LoadReport
): string[] {
  const tile = (value: string, name: string, change = '') =>
    `<div class="tile"><b>${value}</b><span>${name}</span>${change}</div>`
  const database = serverParts.find(({ name }) => name === 'db')
  return [
    tile(`${count(rate)}/s`, `${count(requests)} requests`, delta(rate, earlier?.rate, true)),
    tile(ms(latency.p50), 'median', delta(latency.p50, earlier?.latency.p50)),
    tile(ms(latency.p99), '99 %', delta(latency.p99, earlier?.latency.p99)),
    tile(ms(latency.max), 'slowest', delta(latency.max, earlier?.latency.max)),
    tile(percent(errors, requests), `${count(errors)} errors`),
    ...(unsent > 0 ? [tile(count(unsent), 'due and never sent')] : []),
    ...(cpuPercent === null
      ? []
      : [
          tile(`${Math.round(cpuPercent)} %`, 'CPU of the server', delta(cpuPercent, earlier?.cpuPercent ?? undefined))
        ]),
    ...(database ? [tile(ms(database.ms), 'database, mean')] : [])
  ]
}

function charts({ overTime, curve, operations }: LoadReport, earlier?: LoadReport): string[] {
  const seconds = (value: number) => `${Math.round(value)} s`
  const line = (of: 'p50' | 'p99' | 'requests' | 'errors') =>
    overTime.map((one): [number, number] => [one.second, one[of]])
  // Equal steps for 90, 99, 99.9 and 99.99 percent: the tail is what a curve is read for.
  const place = (percentile: number) => -Math.log10(1 - Math.min(percentile, 99.995) / 100)
  const shape = (points: [number, number][]) =>
    points.map(([percentile, time]): [number, number] => [place(percentile), time])
  return [
    drawChart({
      title: 'Latency over time',
      series: [
        { name: 'median', look: 'a', points: line('p50') },
        { name: '99th percentile', look: 'b', points: line('p99') }
      ],
      xLabel: seconds,
      yLabel: ms
    }),
    drawChart({
      title: 'Throughput',
      series: [
        { name: 'requests/s', look: 'c', points: line('requests'), isFilled: true },
        ...(overTime.some(({ errors }) => errors > 0)
          ? [{ name: 'errors/s', look: 'bad', points: line('errors') }]
          : [])
      ],
      xLabel: seconds,
      yLabel: count
    }),
    drawChart({
      title: 'Latency by percentile',
      series: [
        ...(earlier ? [{ name: 'earlier run', look: 'd', points: shape(earlier.curve) }] : []),
        { name: 'this run', look: 'a', points: shape(curve), isFilled: true }
      ],
      xTicks: [50, 90, 99, 99.9, 99.99].map(place),
      xLabel: (value) => `${Number((100 * (1 - 10 ** -value)).toFixed(2))} %`,
      yLabel: ms
    }),
    drawBars(
      'Slowest operations',
      operations
        .toSorted((a, b) => b.latency.p99 - a.latency.p99)
        .slice(0, MAX_BARS)
        .map(({ operation, latency }) => ({ name: operation, inner: latency.p50, outer: latency.p99 })),
      ['median', '99th percentile'],
      ms
    )
  ]
}

function operationsTable({ operations, seconds }: LoadReport, earlier?: LoadReport): string {
  const rows = operations.map(({ operation, requests, errors, latency }) => {
    const before = earlier?.operations.find((one) => one.operation === operation)?.latency
    const cells = [
      escapeHtml(operation),
      count(requests),
      count(requests / seconds),
      errors === 0 ? '0' : `<span class="worse">${count(errors)}</span>`,
      ms(latency.mean),
      ms(latency.p50) + delta(latency.p50, before?.p50),
      ms(latency.p90),
      ms(latency.p99) + delta(latency.p99, before?.p99),
      ms(latency.p999),
      ms(latency.max)
    ]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  const names = ['operation', 'requests', 'per second', 'errors', 'mean', 'median', '90 %', '99 %', '99.9 %', 'slowest']
  return `<div class="table"><table><tr>${names.map((name) => `<th>${name}</th>`).join('')}</tr>${rows.join('')}</table></div>`
}

function errorsTable({ errorsByCode, requests }: LoadReport): string {
  if (errorsByCode.length === 0) return '<p class="none">none</p>'
  const most = Math.max(...errorsByCode.map((one) => one.count))
  const rows = errorsByCode.map(
    ({ operation, error, count: times }) =>
      `<tr><td>${escapeHtml(error)}</td><td>${escapeHtml(operation)}</td><td>${count(times)}</td><td>${percent(times, requests)}</td>` +
      `<td class="share"><span class="bar" style="width:${Math.round((times / most) * 100)}%"></span></td></tr>`
  )
  return `<div class="table"><table><tr><th>status and code</th><th>operation</th><th>times</th><th>of all</th><th></th></tr>${rows.join('')}</table></div>`
}

function serverTable({ serverParts }: LoadReport): string {
  if (serverParts.length === 0) return ''
  const rows = serverParts.map(({ name, ms: mean }) => `<tr><td>${escapeHtml(name)}</td><td>${ms(mean)}</td></tr>`)
  return `<h2>What the server says (Server-Timing, means)</h2>
<div class="table"><table><tr><th>part</th><th>time</th></tr>${rows.join('')}</table></div>`
}

function footer({ leftOut, leftBehind }: LoadReport): string {
  const out = leftOut.map(({ name, reason }) => `<p>Left out: ${escapeHtml(name)} (${escapeHtml(reason)})</p>`)
  const behind =
    leftBehind.length > 0
      ? `<p>${count(leftBehind.length)} rows could not be deleted, the first: ${escapeHtml(leftBehind[0] as string)}</p>`
      : ''
  return `<footer>${out.join('')}${behind}<p>Times run from when a request was due, so that waiting for a free connection counts.</p></footer>`
}
