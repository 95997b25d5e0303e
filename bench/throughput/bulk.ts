import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Workload } from './bench.ts'
import { copyIn, copyOut, countLines, pieces } from './copy.ts'
import { removeWritten } from './database.ts'
import { tenonOn } from './latency.ts'
import { memoryMb } from './processes.ts'
import { newProduct } from './requests.ts'
import { figure, type Result } from './results.ts'
import { interleave, timed } from './rounds.ts'
import type { RunningServer } from './servers.ts'

const BULK_ROWS = 1000
const PATIENCE_MS = 600_000

/** Many rows at once, beside COPY of the same rows into and out of the same table. */
export const bulkWorkloads: Workload[] = [
  {
    name: 'bulk',
    title: 'Bulk create of 1,000, one request after the other',
    measure: (bench) => besideCopy(bench, 'bulk', bulkWorkloads[0] as Workload, writeInBulk)
  },
  {
    name: 'import',
    title: 'Import of NDJSON, one request',
    measure: (bench) => besideCopy(bench, 'import', bulkWorkloads[1] as Workload, importRows)
  },
  {
    name: 'export',
    title: 'Export of the large table as NDJSON',
    async measure(bench) {
      const { database, server } = await tenonOn(bench, 'large', bench.options.largeRows)
      const rate = async (work: () => Promise<unknown>) => database.rows / (await timed(work))
      const samples = await interleave(bench.options.rounds, [
        () => rate(() => exportRows(bench, server, database.rows)),
        () => rate(() => copyOut(database))
      ])
      const [own, copied] = samples as [number[], number[]]
      const figures = [figure('tenon', own), figure('COPY TO', copied, own)]
      return { workload: this.name, title: this.title, unit: 'rows/s', figures }
    }
  },
  {
    name: 'export-memory',
    title: 'Memory that an export of the large table takes at most',
    async measure(bench) {
      const { database, server } = await tenonOn(bench, 'large', bench.options.largeRows)
      const samples = await interleave(bench.options.rounds, [
        () => growthMb(server.pid, () => exportRows(bench, server, database.rows))
      ])
      const figures = [figure('tenon', samples[0] as number[])]
      return { workload: this.name, title: this.title, unit: 'MB', isLowerBetter: true, figures }
    }
  }
]

async function besideCopy(
  bench: Bench,
  name: string,
  { title }: Workload,
  write: (bench: Bench, server: RunningServer, skus: string[]) => Promise<() => Promise<void>>
): Promise<Result> {
  const server = await bench.server(bench.tenon)
  const measure = (prepare: (skus: string[]) => Promise<() => Promise<void>>) => async () => {
    const run = bench.nextRun()
    const skus = Array.from({ length: bench.options.writtenRows }, (_none, n) => `${run}-${n}`)
    // What is sent is ready before the clock starts.
    const work = await prepare(skus)
    const seconds = await timed(work)
    const [row] = await bench.database.sql`select count(*)::int as count from products where sku like ${`${run}-%`}`
    if (row?.count !== skus.length) throw new Error(`${name}: ${row?.count} rows instead of ${skus.length}`)
    await removeWritten(bench.database)
    return skus.length / seconds
  }
  const own = measure((skus) => write(bench, server, skus))
  const copy = measure((skus) => copyIn(bench.database, skus))
  await own()
  const [ownSamples, copySamples] = (await interleave(bench.options.rounds, [own, copy])) as [number[], number[]]
  const figures = [figure('tenon', ownSamples), figure('COPY', copySamples, ownSamples)]
  return { workload: name, title, unit: 'rows/s', figures }
}

async function writeInBulk({ key }: Bench, { url }: RunningServer, skus: string[]) {
  const bodies: string[] = []
  for (let at = 0; at < skus.length; at += BULK_ROWS) {
    bodies.push(JSON.stringify({ items: skus.slice(at, at + BULK_ROWS).map(newProduct) }))
  }
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  return async () => {
    for (const body of bodies) {
      const response = await fetch(`${url}/api/v1/products/bulk`, { method: 'POST', headers, body })
      const text = await response.text()
      if (!response.ok) throw new Error(`bulk answered ${response.status}: ${text.slice(0, 300)}`)
    }
  }
}

async function importRows({ key }: Bench, { url }: RunningServer, skus: string[]) {
  const lines = pieces(skus, (sku) => `${JSON.stringify(newProduct(sku))}\n`)
  return async () => {
    const request = httpRequest(`${url}/api/v1/products/import`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/x-ndjson' },
      signal: AbortSignal.timeout(PATIENCE_MS)
    })
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    const [[response]] = await Promise.all([answered, pipeline(Readable.from(lines), request)])
    const text = Buffer.concat(await response.toArray()).toString()
    if (response.statusCode !== 200) throw new Error(`import answered ${response.statusCode}: ${text.slice(0, 300)}`)
  }
}

async function exportRows({ key }: Bench, { url }: RunningServer, rows: number): Promise<void> {
  const request = httpRequest(`${url}/api/v1/products/export`, {
    headers: { 'x-api-key': key, accept: 'application/x-ndjson' },
    signal: AbortSignal.timeout(PATIENCE_MS)
  }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const lines = await countLines(response)
  if (response.statusCode !== 200 || lines !== rows) {
    throw new Error(`the export answered ${response.statusCode} with ${lines} lines instead of ${rows}`)
  }
}

async function growthMb(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = memoryMb(pid) ?? Number.NaN
  let most = before
  let isDone = false
  const working = work().finally(() => {
    isDone = true
  })
  while (!isDone) {
    most = Math.max(most, memoryMb(pid) ?? Number.NaN)
    await Promise.race([working, sleep(20)])
  }
  await working
  return most - before
}
