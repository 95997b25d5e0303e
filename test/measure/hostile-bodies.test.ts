import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { RouteOptions } from 'fastify'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { testConfig } from '#test/support/app.ts'
import { createDatabase } from '#test/support/database.ts'
import { startServerProcess } from '#test/support/server.ts'

t.setTimeout(1_800_000)
const MIB = 1_048_576
const LIMIT_MS = 100
const LIMIT_MIB = 32
const ID = '01890000-0000-7000-8000-000000000000'
const admin = { email: 'root@example.com', password: 'a password of nine words' }

// The routes come from an application here, the answers from a process of its own with little memory.
const database = await createDatabase(t)
const app = await buildApp(testConfig(database, { MIGRATE_ON_START: 'true' }))
const routes = app.routeTable.filter(({ method, url }) => /POST|PUT|PATCH|DELETE/.test(String(method)) && url !== '*')
await app.close()
const server = startServerProcess(t, {
  ...database,
  NODE_OPTIONS: '--max-old-space-size=512',
  RATE_LIMIT_ENABLED: 'false',
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password
})
const address = await server.listens()
const token = await logIn()

async function logIn(): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${address}/api/v1/auth/login`, { method: 'POST', headers, body: JSON.stringify(admin) })
  return ((await answer.json()) as { accessToken: string }).accessToken
}

const fill = (part: string, size: number) => part.repeat(Math.max(1, Math.floor(size / part.length)))
const listed = (part: string, size: number) => fill(`${part},`, size).slice(0, -1)
const members = (size: number) => {
  const count = Math.floor(size / 12)
  return Array.from({ length: count }, (_, index) => `"k${index}":1`).join()
}

/** Bodies of a size that are made to be slow. */
const hostile: [name: string, make: (size: number) => string][] = [
  ['empty objects', (size) => `[${listed('{}', size - 2)}]`],
  ['empty lists', (size) => `[${listed('[]', size - 2)}]`],
  ['numbers', (size) => `[${listed('1', size - 2)}]`],
  ['big numbers', (size) => `[${listed('9007199254740993', size - 2)}]`],
  ['huge exponents', (size) => `[${listed('1e400', size - 2)}]`],
  ['one long number', (size) => fill('9', size)],
  ['texts', (size) => `[${listed('"a"', size - 2)}]`],
  ['NULs', (size) => `[${listed('"\\u0000"', size - 2)}]`],
  ['many members', (size) => `{${members(size - 2)}}`],
  ['one member, many times', (size) => `{${listed('"a":1', size - 2)}}`],
  [
    'index names from high to low',
    (size) => `{${Array.from({ length: size >> 4 }, (_, i) => `"${4e9 - i}":1`).join()}}`
  ],
  ['deep lists', (size) => fill('[', size)],
  ['deep objects', (size) => fill('{"a":', size)],
  ['one long name', (size) => `{"${fill('k', size - 10)}":1}`],
  ['one long text', (size) => `{"title":"${fill('x', size - 20)}"}`],
  ['one text of escapes', (size) => `{"title":"${fill('\\u00e9', size - 20)}"}`],
  ['one text of pairs', (size) => `{"title":"${fill('\\ud83d\\ude00', size - 20)}"}`],
  ['one text of backslashes', (size) => `{"title":"${fill('\\\\', size - 20)}"}`],
  ['an open text', (size) => `"${fill('x', size - 1)}`],
  ['blanks', (size) => fill(' ', size)],
  ['blanks in a list', (size) => `{"items":[${fill(' ', size - 12)}]}`],
  ['commas', (size) => fill(',', size)],
  ['colons', (size) => `{"a"${fill(':', size - 5)}}`],
  ['quotes', (size) => fill('"', size)],
  ['items: empty objects', (size) => `{"items":[${listed('{}', size - 12)}]}`],
  ['items: numbers', (size) => `{"items":[${listed('1', size - 12)}]}`],
  ['items: one with many members', (size) => `{"items":[{${members(size - 14)}}]}`],
  [
    'items: a thousand with many members',
    (size) => `{"items":[${listed(`{${members(size / 1000 - 4)}}`, size - 12)}]}`
  ],
  [
    'items: a thousand long texts',
    (size) => `{"items":[${listed(`{"title":"${fill('x', size / 1000 - 20)}"}`, size - 12)}]}`
  ],
  ['forbidden names', (size) => `{"items":[${listed('{"__proto__":{}}', size - 12)}]}`],
  ['lines of nonsense', (size) => fill('x\n', size)],
  ['lines of empty objects', (size) => fill('{}\n', size)],
  ['lines of commas', (size) => `title\n${fill(`${','.repeat(5_000)}\n`, size - 6)}`],
  ['one line of commas', (size) => `title\n${fill(',', size - 6)}`],
  ['an open quote', (size) => `title\n"${fill('a\n', size - 8)}`]
]

// The resident memory of the server.
const residentMib = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024

t.test('no body of any route delays other requests, keeps memory or ends the process', async (t) => {
  for (const route of routes) {
    const name = `${route.method} ${route.url}`
    let [slowest, worst] = ['', 0]
    const before = residentMib()
    for (const [kind, make] of hostile) {
      for (const type of typesOf(route)) {
        // Made before the probe starts, which runs in this process.
        const body = Buffer.from(make(sizeOf(route)))
        const probe = startProbe()
        await send(route, body, type)
        const ms = await probe.stop()
        if (ms > worst) [slowest, worst] = [`${kind} as ${type}`, ms]
      }
    }
    t.ok(worst < LIMIT_MS, `${name}: /livez waited ${worst.toFixed()} ms at most, beside ${slowest}`)
    const grown = residentMib() - before
    t.ok(grown < LIMIT_MIB, `${name}: ${grown.toFixed()} MiB more`)
  }
  t.equal(server.child.exitCode, null)
})

// Four megabytes for an import, which has no bound.
function sizeOf({ url, bodyLimit = MIB }: RouteOptions): number {
  if (url.startsWith('/oauth/')) return 65_536
  return url.endsWith('/import') ? 4 * MIB : bodyLimit
}

function typesOf({ url }: RouteOptions): string[] {
  if (url.endsWith('/import')) return ['application/x-ndjson', 'text/csv']
  return [url.startsWith('/oauth/') ? 'application/x-www-form-urlencoded' : 'application/json']
}

async function send({ method, url }: RouteOptions, body: Buffer<ArrayBuffer>, type: string): Promise<void> {
  const headers = { 'content-type': type, ...(!/auth/.test(url) && { authorization: `Bearer ${token}` }) }
  const answer = await fetch(address + url.replace(/:\w+/g, ID), { method: String(method), headers, body })
  if (answer.status >= 500) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

/** Requests /livez all the time, and gives the longest time of an answer. */
function startProbe() {
  const agent = new Agent({ keepAlive: true })
  let isOver = false
  let worst = 0
  const asking = (async () => {
    while (!isOver) {
      const started = performance.now()
      await new Promise<void>((done) => {
        get(`${address}/livez`, { agent }, (response) => response.resume().once('end', done))
      })
      worst = Math.max(worst, performance.now() - started)
    }
    agent.destroy()
  })()
  return {
    async stop(): Promise<number> {
      isOver = true
      await asking
      return worst
    }
  }
}
