import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { expectationsIn, judge, type Verdict } from '../tools/load/expect.ts'
import { loadPage } from '../tools/load/page/page.ts'
import { count, duration, ms, paceText, percent } from '../tools/load/page/text.ts'
import type { LoadReport } from '../tools/load/report.ts'
import { type LoadProgress, load } from '../tools/load/run.ts'
import { MisuseError } from '../tools/misuse.ts'
import { readDocument } from '../tools/openapi/document.ts'
import type { Output } from './output.ts'
import { headersIn, listIn, millisecondsIn, parsed, weightsIn, wholeNumber } from './values.ts'

export const LOAD_USAGE = `tenon load <server, or OpenAPI document: URL or file> [options]
Sends load made from the schemas of the server's own document: rows are made, read, changed, listed and deleted.

  --key K            the credential, as the document's security scheme has it
  --admin E:P        e-mail and password of a Tenon administrator, or an admin's key: makes a key without limits for the run
  --header 'N: V'    sent with every request; may be repeated
  --server URL       where the server is, if not where the document says
  --duration T       30s, 5m (30s)
  --connections N    so many requests at once, each followed by the next (16)
  --rate N           so many requests a second, whatever the answers take; --connections then bounds them (512)
  --ramp T           grow to the rate over this time
  --workers N        threads that send, each with a core of its own (1)
  --weights a=3,b=0  shares of resources (products=3), and how often a step is in a chain (read=8, delete=0)
  --only a,b         only these resources, or GETs by operationId
  --timeout T        when a request counts as failed (10s)
  --expect 'p99<50ms,errors<0.1%,rate>1000,createThing.p90<=20ms'   exit code 1 when it is not so
  --report FILE      write a page with plots
  --save FILE        write the numbers; --compare FILE compares with them
  --json             print the numbers as JSON

  tenon load http://127.0.0.1:3000 --admin "$EMAIL:$PASSWORD" --duration 30s --report load.html
  tenon load http://127.0.0.1:3000 --key "$KEY" --rate 500 --ramp 10s --duration 1m --expect 'p99<50ms,errors<0.1%'
  tenon load api.yaml --server http://127.0.0.1:8080 --only pets --save before.json`

const OPTIONS = {
  key: { type: 'string' },
  admin: { type: 'string' },
  header: { type: 'string', multiple: true },
  server: { type: 'string' },
  duration: { type: 'string' },
  connections: { type: 'string' },
  rate: { type: 'string' },
  ramp: { type: 'string' },
  workers: { type: 'string' },
  weights: { type: 'string' },
  only: { type: 'string' },
  timeout: { type: 'string' },
  expect: { type: 'string' },
  report: { type: 'string' },
  save: { type: 'string' },
  compare: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' }
} as const

/**
 * `tenon load`: measures a server, and prints what it came to.
 * @param signal ends the sending early.
 * @returns whether every threshold was kept.
 * @throws MisuseError when the arguments or the document are wrong, or nothing can be sent.
 */
export async function loadCommand(args: string[], output: Output, signal?: AbortSignal): Promise<boolean> {
  const { values, positionals } = parsed(() => parseArgs({ args, options: OPTIONS, allowPositionals: true }))
  if (values.help) {
    output.say(LOAD_USAGE)
    return true
  }
  const [source, ...more] = positionals
  if (source === undefined || more.length > 0)
    throw new MisuseError('usage: load <server or OpenAPI document>; see load --help')
  const expectations = values.expect === undefined ? [] : expectationsIn(values.expect)
  const earlier = values.compare === undefined ? undefined : await reportIn(values.compare)
  const rate = values.rate === undefined ? undefined : wholeNumber('rate', values.rate, 1)
  if (values.ramp !== undefined && rate === undefined) throw new MisuseError('--ramp goes with --rate')
  const pace = {
    rate,
    rampMs: millisecondsIn('ramp', values.ramp ?? '0s'),
    connections: wholeNumber('connections', values.connections, rate === undefined ? 16 : 512),
    durationMs: millisecondsIn('duration', values.duration ?? '30s')
  }
  const headers = headersIn(values.header)
  const document = await readDocument(documentOf(source), { server: values.server, headers })
  const target = {
    document,
    title: document.title,
    key: values.key,
    admin: values.admin,
    headers,
    weights: weightsIn(values.weights),
    only: listIn(values.only),
    pace,
    workers: wholeNumber('workers', values.workers, 1),
    timeoutMs: millisecondsIn('timeout', values.timeout ?? '10s')
  }
  const report = await load(target, (progress) => output.progress(lineOf(progress, pace.durationMs)), signal)
  output.progress('')
  const verdicts = judge(report, expectations)
  if (values.save !== undefined) await writeFile(values.save, `${JSON.stringify(report, undefined, 2)}\n`)
  if (values.report !== undefined) await writeFile(values.report, loadPage(report, verdicts, earlier))
  output.say(values.json ? JSON.stringify({ ...report, verdicts }, undefined, 2) : describeLoad(report, verdicts))
  return verdicts.every(({ isMet }) => isMet)
}

/** The document of a server that is named by its root alone. */
const documentOf = (source: string) =>
  /^https?:\/\/[^/]+\/?$/.test(source) ? `${source.replace(/\/$/, '')}/openapi.json` : source

async function reportIn(file: string): Promise<LoadReport> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new MisuseError(`${file} cannot be read: ${error.message}`)
  })
  const report = parsed(() => JSON.parse(text), `${file} is no saved run`)
  if (!Array.isArray(report?.curve)) throw new MisuseError(`${file} is no saved run`)
  return report
}

function lineOf({ phase, requests, errors, elapsedMs }: LoadProgress, durationMs: number): string {
  if (phase === 'prepare') return 'making what the requests refer to …'
  if (phase === 'clean') return 'deleting what was made …'
  const [elapsed, rate] = [Math.min(elapsedMs, durationMs) / 1000, requests / Math.max(0.001, elapsedMs / 1000)]
  return `${elapsed.toFixed(0)} s of ${duration(durationMs / 1000)}  ${count(Math.round(rate))} requests/s  ${count(requests)} requests  ${count(errors)} errors`
}

/** A report for a person. */
export function describeLoad(report: LoadReport, verdicts: Verdict[]): string {
  const {
    rate,
    requests,
    errors,
    unsent,
    latency,
    operations,
    errorsByCode,
    serverParts,
    cpuPercent,
    leftOut,
    leftBehind
  } = report
  const width = Math.max(...operations.map(({ operation }) => operation.length), 9)
  const row = (name: string, cells: string[]) =>
    `${name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join('')}`
  const server = [
    ...(cpuPercent === null ? [] : [`CPU ${Math.round(cpuPercent)} % of a core`]),
    ...serverParts.map(({ name, ms: mean }) => `${name} ${ms(mean)}`)
  ]
  return [
    `${count(rate)} requests/s over ${duration(report.seconds)}, ${paceText(report.pace)}; ${count(requests)} requests, ${count(errors)} errors (${percent(errors, requests)})`,
    ...(unsent > 0 ? [`${count(unsent)} requests were due and never sent`] : []),
    '',
    row('', ['requests', 'errors', 'median', '90 %', '99 %', '99.9 %', 'slowest']),
    ...[{ operation: 'all', requests, errors, latency }, ...operations].map((one) => {
      const { p50, p90, p99, p999, max } = one.latency
      return row(one.operation, [count(one.requests), count(one.errors), ...[p50, p90, p99, p999, max].map(ms)])
    }),
    '',
    ...errorsByCode.map((one) => `${count(one.count)} × ${one.error} of ${one.operation}`),
    ...(server.length > 0 ? [`The server: ${server.join(', ')}`] : []),
    ...leftOut.map(({ name, reason }) => `Left out: ${name}: ${reason}`),
    ...(leftBehind.length > 0
      ? [`${count(leftBehind.length)} rows could not be deleted, the first: ${leftBehind[0]}`]
      : []),
    ...verdicts.map(
      ({ text, isMet, actual }) => `${isMet ? 'kept' : 'MISSED'}  ${text}  (${Math.round(actual * 1000) / 1000})`
    )
  ].join('\n')
}
