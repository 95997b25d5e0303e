// What export and import of many rows promise, shown on PostgreSQL: to a slow reader and at full speed in flat memory, every
// row back as it was, the other routes quick while 20 export at once, and an aborted export gone at once.
// Run by name: DATABASE_URL=postgres://… npm run bench:stream. ROWS (1,000,000), FORMAT (ndjson or csv), KBPS of the slow
// reader and SLOW_SECONDS for which it is slow before it reads on (256 and 20; 0 for none), COPY=true to have the rates
// beside those of COPY. It makes a database of its own on that server, and drops it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'

const serverUrl = process.env.DATABASE_URL
if (!serverUrl) throw new Error('DATABASE_URL names the PostgreSQL server')
const rows = Number(process.env.ROWS ?? 1_000_000)
const kbps = Number(process.env.KBPS ?? 256)
const slowMs = 1000 * Number(process.env.SLOW_SECONDS ?? 20)
const withCopy = process.env.COPY === 'true'
const MOST_GROWTH_MB = 64
const EXPORTS = 20
const EXPORTS_MS = 15_000
const MOST_P99_MS = 300
const MOST_FREE_MS = 1000
const isCsv = process.env.FORMAT === 'csv'
const type = isCsv ? 'text/csv' : 'application/x-ndjson'

const name = `tenon_stream_${process.pid}`
const server = postgres(serverUrl, { max: 1, onnotice: () => {} })
await server`create database ${server(name)}`
const url = new URL(serverUrl)
url.pathname = name
const folder = mkdtempSync(join(tmpdir(), 'tenon-stream-'))
const say = (text: string) => process.stdout.write(`${text}\n`)

const email = 'stream@example.com'
const password = 'a password for streams'
const port = 3900 + (process.pid % 100)
const app = spawn(process.execPath, [new URL('../src/server.ts', import.meta.url).pathname], {
  env: {
    PATH: process.env.PATH,
    DATABASE_URL: url.href,
    DATA_DIR: folder,
    PORT: String(port),
    LOG_LEVEL: 'error',
    RATE_LIMIT_ENABLED: 'false',
    ADMIN_EMAIL: email,
    ADMIN_PASSWORD: password
  },
  stdio: ['ignore', 'inherit', 'inherit']
})
const base = `http://127.0.0.1:${port}`
const sql = postgres(url.href, { max: 1, onnotice: () => {}, idle_timeout: 0 })

try {
  await untilReady(app)
  const login = await fetch(`${base}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password })
  })
  const { accessToken } = (await login.json()) as { accessToken: string }
  await fill()
  const before = await checksum()

  if (kbps > 0 && slowMs > 0) {
    const start = memoryMb()
    let whileSlow = Number.NaN
    const sink = slowSink(kbps * 1000, slowMs, () => {
      whileSlow = memoryMb() - start
    })
    const slow = await measured(() => download(sink))
    say(`export to ${kbps} kB/s for ${slowMs / 1000} s, then at full speed: ${line(slow)}`)
    expectFlat('the export while its reader was slow', whileSlow)
    expectFlat('the same, read on at full speed', slow.growthMb)
  }
  const file = join(folder, `products.${isCsv ? 'csv' : 'ndjson'}`)
  const fast = await measured(() => download(createWriteStream(file)))
  const copyOut = withCopy ? await timed(() => copyTo()) : undefined
  say(`export: ${line(fast)}, ${rate(fast.seconds)}${beside('COPY TO', copyOut, fast)}`)
  say(`  ${(statSync(file).size / 1e6).toFixed(0)} MB of ${isCsv ? 'CSV' : 'NDJSON'}`)
  expectFlat('the export', fast.growthMb)

  const freeMs = await abortedExport()
  expect(freeMs < MOST_FREE_MS, `an aborted export left the database after ${Math.round(freeMs)} ms`)
  const others = await p99During(EXPORTS, EXPORTS_MS)
  const seen = `${others.count} other requests, p99 ${Math.round(others.p99)} ms, slowest ${Math.round(others.most)} ms`
  expect(
    others.failed === 0 && others.p99 < MOST_P99_MS,
    `${EXPORTS} exports at once: ${seen}, ${others.failed} failed`
  )

  await sql`truncate products cascade`
  const loaded = await measured(() => upload(file, accessToken))
  const after = await checksum()
  let copyIn: number | undefined
  if (withCopy) {
    await sql`create table copied (like products including all)`
    await sql`alter table copied add foreign key (category_id) references categories`
    copyIn = await timed(() => copyFrom())
  }
  say(`import: ${line(loaded)}, ${rate(loaded.seconds)}${beside('COPY FROM', copyIn, loaded)}`)
  say(`  ${loaded.answer}`)
  expectFlat('the import', loaded.growthMb)
  expect(after.count === rows && before.count === rows, `rows ${before.count} before and ${after.count} after`)
  expect(before.sum === after.sum, `checksums of all rows ${before.sum} before and ${after.sum} after`)
} finally {
  app.kill('SIGTERM')
  await sql.end()
  await server`drop database ${server(name)} with (force)`
  await server.end()
  rmSync(folder, { recursive: true, force: true })
}

function expect(isTrue: boolean, what: string): void {
  say(`${isTrue ? 'ok' : 'NOT OK'} - ${what}`)
  if (!isTrue) process.exitCode = 1
}

function expectFlat(name: string, growthMb: number): void {
  expect(growthMb < MOST_GROWTH_MB, `${name} took ${growthMb.toFixed(0)} MB more memory, of ${MOST_GROWTH_MB}`)
}

function beside(name: string, seconds: number | undefined, { seconds: ours }: Measured): string {
  return seconds === undefined ? '' : `; ${name} ${rate(seconds)}; ratio ${(seconds / ours).toFixed(2)}`
}

async function openExport(): Promise<IncomingMessage> {
  const request = httpRequest(`${base}/api/v1/products/export`, { headers: { accept: type }, agent: false }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the export answered ${response.statusCode}`)
  return response
}

// How long after its end an export is still seen in the database.
async function abortedExport(): Promise<number> {
  const response = await openExport()
  for await (const _ of response) break
  response.destroy()
  const aborted = performance.now()
  let lastSeen = aborted
  // A batch may come between two looks, so one look without it says nothing.
  while (performance.now() - lastSeen < 500 && performance.now() - aborted < 5000) {
    const [{ busy }] = (await sql`
      select count(*)::int as busy from pg_stat_activity
      where datname = ${name} and application_name = 'tenon' and state <> 'idle'`) as unknown as [{ busy: number }]
    if (busy > 0) lastSeen = performance.now()
  }
  return lastSeen - aborted
}

async function p99During(exports: number, ms: number) {
  const running = await Promise.all(Array.from({ length: exports }, openExport))
  for (const response of running) response.on('error', () => {}).resume()
  const [{ id }] = (await sql`select id from products limit 1`) as unknown as [{ id: string }]
  const paths = [`/api/v1/products/${id}`, '/api/v1/products?limit=20', '/api/v1/categories', '/livez']
  const times: number[] = []
  let failed = 0
  const until = performance.now() + ms
  for (let index = 0; performance.now() < until; index += 1) {
    const at = performance.now()
    const answer = await fetch(base + paths[index % paths.length])
    await answer.arrayBuffer()
    times.push(performance.now() - at)
    if (!answer.ok) failed += 1
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const atOnce = running.filter((response) => !response.complete).length
  say(`  ${atOnce} of ${exports} exports were still under way at the end`)
  for (const response of running) response.destroy()
  times.sort((a, b) => a - b)
  return {
    count: times.length,
    failed,
    p99: times[Math.floor(times.length * 0.99)] as number,
    most: times.at(-1) as number
  }
}

async function untilReady(child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const answer = await fetch(`${base}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the server did not start')
}

async function fill(): Promise<void> {
  await sql`insert into categories (id, name) select gen_random_uuid(), 'category ' || n from generate_series(1, 50) n`
  const each = 50_000
  for (let from = 1; from <= rows; from += each) {
    const to = Math.min(rows, from + each - 1)
    await sql`
      insert into products (id, sku, name, description, price_cents, currency, stock, tags, category_id, active)
      select gen_random_uuid(), 'SKU-' || n, 'Product "' || n || '", é木', case when n % 3 = 0 then null else 'Oiled, by hand ' || n end,
        n * 31 % 100000, 'USD', n % 100, array['t' || n % 10, 'a,b'], (select id from categories where name = 'category ' || (n % 50 + 1)), n % 2 = 0
      from generate_series(${from}::int, ${to}::int) n`
  }
  await sql`vacuum analyze products`
}

// Of what callers write: ids and times are the server's.
async function checksum(): Promise<{ count: number; sum: string }> {
  const [row] = await sql`
    select count(*)::int as count, sum(hashtextextended(concat_ws('|', sku, name, coalesce(description, '∅'), price_cents,
      currency, stock, tags::text, category_id, active), 0))::text as sum from products`
  return row as never
}

interface Measured {
  seconds: number
  growthMb: number
  answer: string
}

async function measured(work: () => Promise<string>): Promise<Measured> {
  const start = memoryMb()
  let most = start
  const timer = setInterval(() => {
    most = Math.max(most, memoryMb())
  }, 50)
  let answer = ''
  const seconds = await timed(async () => {
    answer = await work()
  })
  clearInterval(timer)
  return { seconds, growthMb: most - start, answer }
}

// Resident memory of the server alone: it is a process of its own.
function memoryMb(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${app.pid}/status`, 'utf8'))?.[1]) / 1024
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function rate(seconds: number): string {
  return `${Math.round(rows / seconds).toLocaleString('en')} rows/s`
}

function line({ seconds, growthMb }: Measured): string {
  return `${seconds.toFixed(1)} s, ${growthMb.toFixed(0)} MB more memory`
}

async function download(sink: Writable): Promise<string> {
  await pipeline(await openExport(), sink)
  return ''
}

function slowSink(bytesPerSecond: number, forMs: number, onFast: () => void): Writable {
  const until = performance.now() + forMs
  let isSlow = true
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (performance.now() < until) return void setTimeout(done, (chunk.length / bytesPerSecond) * 1000)
      if (isSlow) onFast()
      isSlow = false
      done()
    }
  })
}

async function upload(file: string, token: string): Promise<string> {
  const request = httpRequest(`${base}/api/v1/products/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type }
  })
  const [[response]] = (await Promise.all([
    once(request, 'response'),
    pipeline(createReadStream(file), request)
  ])) as unknown as [[IncomingMessage]]
  return Buffer.concat(await response.toArray())
    .toString()
    .slice(0, 300)
}

async function copyTo(): Promise<void> {
  await sql`set statement_timeout = 0`
  await pipeline(
    await sql`copy products to stdout (format csv)`.readable(),
    createWriteStream(join(folder, 'copy.csv'))
  )
}

async function copyFrom(): Promise<void> {
  await pipeline(createReadStream(join(folder, 'copy.csv')), await sql`copy copied from stdin (format csv)`.writable())
}
