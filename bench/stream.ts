// What export and import of many rows promise, shown on PostgreSQL: to a slow reader and at full speed in flat memory, every
// row back as it was, the other routes quick while 20 export at once, and an aborted export gone at once.
// Run by name: DATABASE_URL=postgres://… npm run bench:stream. ROWS (1,000,000), FORMAT (ndjson or csv), KBPS of the slow
// reader and SLOW_SECONDS for which it is slow before it reads on (256 and 20; 0 for none), COPY=true to have the rates
// beside those of COPY. It makes a database of its own on that server, and drops it.
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checksum, copyFrom, copyTo, fill } from './stream/rows.ts'
import { growing, withServer } from './stream/server.ts'
import { abortedExport, download, p99During, slowSink, upload } from './stream/transfers.ts'
import { createDatabase, dropDatabase } from './throughput/database.ts'
import { endAll } from './throughput/processes.ts'
import { timed } from './throughput/rounds.ts'

const serverUrl = process.env.DATABASE_URL
if (!serverUrl) throw new Error('DATABASE_URL names the PostgreSQL server')
const rows = Number(process.env.ROWS ?? 1_000_000)
const kbps = Number(process.env.KBPS ?? 256)
const slowMs = 1000 * Number(process.env.SLOW_SECONDS ?? 20)
const withCopy = process.env.COPY === 'true'
const MAX_GROWTH_MB = 64
const EXPORTS = 20
const EXPORTS_MS = 15_000
const MOST_P99_MS = 300
const MAX_FREE_MS = 1000
const isCsv = process.env.FORMAT === 'csv'
const type = isCsv ? 'text/csv' : 'application/x-ndjson'

const say = (text: string) => process.stdout.write(`${text}\n`)
const folder = mkdtempSync(join(tmpdir(), 'tenon-stream-'))
const file = join(folder, `products.${isCsv ? 'csv' : 'ndjson'}`)
const copyFile = join(folder, 'copy.csv')
const database = await createDatabase(serverUrl, `tenon_stream_${process.pid}`)
const { sql } = database

// Each figure is that of a server that has done nothing else: what an earlier one left in the heap is in none.
try {
  await withServer(database.url, folder, async () => {})
  await fill(sql, rows)
  const before = await checksum(sql)

  if (kbps > 0 && slowMs > 0) {
    await withServer(database.url, folder, async (server) => {
      let whileSlow = Number.NaN
      const slow = await growing(server, (grownMb) => {
        const sink = slowSink(kbps * 1000, slowMs, () => {
          whileSlow = grownMb()
        })
        return timed(() => download(server.url, type, sink))
      })
      say(`export to ${kbps} kB/s for ${slowMs / 1000} s, then at full speed: ${line(slow)}`)
      expectFlat('the export while its reader was slow', whileSlow)
      expectFlat('the same, read on at full speed', slow.grownMb)
    })
  }
  await withServer(database.url, folder, async (server) => {
    const first = await growing(server, () => timed(() => download(server.url, type, createWriteStream(file))))
    const copySeconds = withCopy ? await timed(() => copyTo(sql, copyFile)) : undefined
    say(`export: ${line(first)}, ${rate(first.result)}${beside('COPY TO', copySeconds, first.result)}`)
    say(`  ${(statSync(file).size / 1e6).toFixed(0)} MB of ${isCsv ? 'CSV' : 'NDJSON'}`)
    expectFlat('the export', first.grownMb)
  })
  await withServer(database.url, folder, async (server) => {
    const freeMs = await abortedExport(server.url, type, database)
    expect(freeMs < MAX_FREE_MS, `an aborted export left the database after ${Math.round(freeMs)} ms`)
    const others = await p99During(server.url, type, database, EXPORTS, EXPORTS_MS)
    say(`  ${others.atOnce} of ${EXPORTS} exports were still under way at the end`)
    const seen = `${others.count} other requests, p99 ${Math.round(others.p99)} ms, slowest ${Math.round(others.most)} ms`
    expect(
      others.failed === 0 && others.p99 < MOST_P99_MS,
      `${EXPORTS} exports at once: ${seen}, ${others.failed} failed`
    )
  })

  await sql`truncate products cascade`
  await withServer(database.url, folder, async (server) => {
    let answer = ''
    const loaded = await growing(server, () =>
      timed(async () => {
        answer = await upload(server, type, file)
      })
    )
    const after = await checksum(sql)
    const copySeconds = withCopy ? await timed(() => copyFrom(sql, copyFile)) : undefined
    say(`import: ${line(loaded)}, ${rate(loaded.result)}${beside('COPY FROM', copySeconds, loaded.result)}`)
    say(`  ${answer}`)
    expectFlat('the import', loaded.grownMb)
    expect(after.count === rows && before.count === rows, `rows ${before.count} before and ${after.count} after`)
    expect(before.sum === after.sum, `checksums of all rows ${before.sum} before and ${after.sum} after`)
  })
} finally {
  await endAll()
  await dropDatabase(serverUrl, database)
  rmSync(folder, { recursive: true, force: true })
}

function expect(isTrue: boolean, what: string): void {
  say(`${isTrue ? 'ok' : 'NOT OK'} - ${what}`)
  if (!isTrue) process.exitCode = 1
}

function expectFlat(name: string, grownMb: number): void {
  expect(grownMb < MAX_GROWTH_MB, `${name} took ${grownMb.toFixed(0)} MB more memory, of ${MAX_GROWTH_MB}`)
}

function beside(name: string, seconds: number | undefined, ours: number): string {
  return seconds === undefined ? '' : `; ${name} ${rate(seconds)}; ratio ${(seconds / ours).toFixed(2)}`
}

function rate(seconds: number): string {
  return `${Math.round(rows / seconds).toLocaleString('en')} rows/s`
}

function line({ result: seconds, grownMb }: { result: number; grownMb: number }): string {
  return `${seconds.toFixed(1)} s, ${grownMb.toFixed(0)} MB more memory`
}
