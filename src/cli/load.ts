import { readFile, writeFile } from 'node:fs/promises'
import { expectationsIn, judge, type Verdict } from '../tools/load/expect.ts'
import { loadPage } from '../tools/load/page/page.ts'
import { count, duration, ms, paceText, percent } from '../tools/load/page/text.ts'
import type { LoadReport } from '../tools/load/report.ts'
import type { LoadProgress } from '../tools/load/run.ts'
import { MisuseError } from '../tools/misuse.ts'
import { readDocument } from '../tools/openapi/document.ts'
import { type Context, command, finding, type MakeCommand } from './frame.ts'
import { headersIn, listIn, millisecondsIn, parsed, weightsIn, wholeNumber, withTarget } from './values.ts'

const DESCRIPTION = `Sends load made from the schemas of the server's own OpenAPI document: rows are made, read, changed, listed and deleted.
A server that is named by its root alone has its document at /openapi.json.`

const EXAMPLES = [
  'tenon load http://127.0.0.1:3000 --admin "$EMAIL:$PASSWORD" --duration 30s --report load.html',
  `tenon load http://127.0.0.1:3000 --key "$KEY" --rate 500 --ramp 10s --duration 1m --expect 'p99<50ms,errors<0.1%'`,
  'tenon load api.yaml --server http://127.0.0.1:8080 --only pets --save before.json'
]

/** The options of `tenon load`, as they are written. */
interface LoadFlags {
  key?: string
  admin?: string
  header?: string[]
  server?: string
  duration: string
  connections?: string
  rate?: string
  ramp?: string
  workers?: string
  weights?: string
  only?: string
  timeout: string
  expect?: string
  report?: string
  save?: string
  compare?: string
  json?: boolean
}

/** `tenon load`: measures a server, and prints what it came to. It finds something where a threshold is not kept. */
export const loadCommand: MakeCommand = (context) =>
  withTarget(command('load <server>', DESCRIPTION, EXAMPLES))
    .option(
      '--admin <login>',
      "e-mail:password of a Tenon administrator, or an administrator's key: makes a key without limits for the run"
    )
    .option('--duration <time>', '30s, 5m', '30s')
    .option('--connections <number>', 'so many requests at once, each followed by the next (16)')
    .option('--rate <number>', 'so many requests a second, whatever the answers take; --connections bounds them (512)')
    .option('--ramp <time>', 'grow to the rate over this time')
    .option('--workers <number>', 'threads that send, each with a core of its own (1)')
    .option(
      '--weights <weights>',
      'shares of resources (products=3), and how often a step is in a chain: read=8,delete=0'
    )
    .option('--only <names>', 'only these resources, or GETs by operationId: a,b')
    .option('--timeout <time>', 'when a request counts as failed', '10s')
    .option('--expect <thresholds>', "'p99<50ms,errors<0.1%,rate>1000,createThing.p90<=20ms': exit code 1 when missed")
    .option('--report <file>', 'write a page with plots')
    .option('--save <file>', 'write the numbers')
    .option('--compare <file>', 'compare with the numbers of an earlier run')
    .option('--json', 'print the numbers as JSON')
    .action(finding(context, (source: string, flags: LoadFlags) => measureServer(source, flags, context)))

async function measureServer(source: string, flags: LoadFlags, { output, signalOfUser }: Context): Promise<boolean> {
  const { load } = await import('../tools/load/run.ts')
  const expectations = flags.expect === undefined ? [] : expectationsIn(flags.expect)
  const earlier = flags.compare === undefined ? undefined : await reportIn(flags.compare)
  const rate = flags.rate === undefined ? undefined : wholeNumber('rate', flags.rate, 1)
  if (flags.ramp !== undefined && rate === undefined) throw new MisuseError('--ramp goes with --rate')
  const pace = {
    rate,
    rampMs: millisecondsIn('ramp', flags.ramp ?? '0s'),
    connections: wholeNumber('connections', flags.connections, rate === undefined ? 16 : 512),
    durationMs: millisecondsIn('duration', flags.duration)
  }
  const headers = headersIn(flags.header)
  const document = await readDocument(documentOf(source), { server: flags.server, headers })
  const target = {
    document,
    title: document.title,
    key: flags.key,
    admin: flags.admin,
    headers,
    weights: weightsIn(flags.weights),
    only: listIn(flags.only),
    pace,
    workers: wholeNumber('workers', flags.workers, 1),
    timeoutMs: millisecondsIn('timeout', flags.timeout)
  }
  const report = await load(target, (progress) => output.progress(lineOf(progress, pace.durationMs)), signalOfUser?.())
  output.progress('')
  const verdicts = judge(report, expectations)
  if (flags.save !== undefined) await writeFile(flags.save, `${JSON.stringify(report, undefined, 2)}\n`)
  if (flags.report !== undefined) await writeFile(flags.report, loadPage(report, verdicts, earlier))
  output.say(flags.json ? JSON.stringify({ ...report, verdicts }, undefined, 2) : describeLoad(report, verdicts))
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
