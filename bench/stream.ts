// Exports products to a reader of a fixed rate, exports them again at full speed, empties the table and imports the
// file: memory growth, counts, checksums, and the rate beside that of COPY.
// Run by name: DATABASE_URL=postgres://… npm run bench:stream. ROWS (100,000), KBPS of the slow reader (0 for none), FORMAT
// (ndjson or csv). It makes a database of its own on that server, and drops it.
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
const rows = Number(process.env.ROWS ?? 100_000)
const kbps = Number(process.env.KBPS ?? 256)
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

  if (kbps > 0) {
    const slow = await measured(() => download(join(folder, 'slow'), kbps * 1000))
    say(`export to ${kbps} kB/s: ${line(slow)}, ${before.count} rows`)
  }
  const file = join(folder, `products.${isCsv ? 'csv' : 'ndjson'}`)
  const fast = await measured(() => download(file))
  const copyOut = await timed(() => copyTo())
  say(
    `export: ${line(fast)}, ${rate(fast.seconds)}; COPY TO ${rate(copyOut)}; ratio ${(copyOut / fast.seconds).toFixed(2)}`
  )
  say(`  ${(statSync(file).size / 1e6).toFixed(0)} MB of ${isCsv ? 'CSV' : 'NDJSON'}`)

  await sql`delete from products`
  await sql`vacuum products`
  const loaded = await measured(() => upload(file, accessToken))
  const after = await checksum()
  await sql`create table copied (like products including all)`
  await sql`alter table copied add foreign key (category_id) references categories`
  const copyIn = await timed(() => copyFrom())
  say(
    `import: ${line(loaded)}, ${rate(loaded.seconds)}; COPY FROM ${rate(copyIn)}; ratio ${(copyIn / loaded.seconds).toFixed(2)}`
  )
  say(`  ${loaded.answer}`)
  const isSame = before.count === after.count && before.sum === after.sum
  say(
    `rows ${before.count} and ${after.count}, checksums ${before.sum} and ${after.sum}: ${isSame ? 'equal' : 'DIFFERENT'}`
  )
  process.exitCode = isSame && after.count === rows ? 0 : 1
} finally {
  app.kill('SIGTERM')
  await sql.end()
  await server`drop database ${server(name)} with (force)`
  await server.end()
  rmSync(folder, { recursive: true, force: true })
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

async function download(file: string, bytesPerSecond = 0): Promise<string> {
  const request = httpRequest(`${base}/api/v1/products/export`, { headers: { accept: type } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the export answered ${response.statusCode}`)
  await pipeline(response, bytesPerSecond > 0 ? slowSink(bytesPerSecond) : createWriteStream(file))
  return ''
}

function slowSink(bytesPerSecond: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => void setTimeout(done, (chunk.length / bytesPerSecond) * 1000)
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
