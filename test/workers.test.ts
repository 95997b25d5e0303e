import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { type ServerProcess, startServerProcess } from '#test/support/server.ts'
import { startServer, startSharedWire } from '#test/support/wire.ts'

const PRODUCTS = '/api/v1/products'

// The real server; without one in this suite, the embedded database behind the wire protocol.
const { DATABASE_URL } = isPostgres ? await createDatabase(t) : { DATABASE_URL: (await startSharedWire(t)).url }
const env = { DATABASE_URL: DATABASE_URL as string, WORKERS: '2', DATABASE_POOL_MAX: '2', LOG_LEVEL: 'info' }

/** A request on a connection of its own: workers get connections in turn. */
const get = (url: string) => fetch(url, { headers: { connection: 'close' } })

async function metric(address: string, name: string): Promise<number> {
  const text = await (await get(`${address}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')
      .at(-1) ?? 0
  )
}

const READS = 'http_request_duration_seconds_count{method="GET",route="/livez",status="200"}'

/** The processes that wrote the log lines with this message. */
function pidsOf({ printed }: ServerProcess, text: string): number[] {
  const lines = printed()
    .split('\n')
    .filter((line) => line.includes(text))
  return lines.map((line) => JSON.parse(line).pid)
}

async function printedSoFar(server: ServerProcess, isEnough: (text: string) => boolean): Promise<void> {
  while (!isEnough(server.printed())) await once(server.child.stdout as NodeJS.ReadableStream, 'data')
}

const listening = (server: ServerProcess) => pidsOf(server, 'Server listening')

/** Starts the workers. @returns when both of them have said that they listen: the first prints the address. */
async function startBoth(t: Test, settings: object = {}): Promise<{ server: ServerProcess; address: string }> {
  const server = startServerProcess(t, { ...env, ...settings })
  const address = await server.listens()
  await printedSoFar(server, () => listening(server).length === 2)
  return { server, address }
}

t.test('workers share a port and one first start, and /metrics reports all of them', async (t) => {
  const { server, address } = await startBoth(t)
  t.equal(server.printed().match(/Administrator: /g)?.length, 1)
  t.equal(server.printed().match(/Tenon listens on/g)?.length, 1)
  t.match(server.printed(), /"msg":"each of 2 workers counts rate limits by itself: set REDIS_URL/)
  t.equal((await get(`${address}${PRODUCTS}`)).status, 200)
  for (let count = 0; count < 10; count += 1) t.equal((await get(`${address}/livez`)).status, 200)
  t.equal(await metric(address, READS), 10)
  t.equal(await metric(address, READS), 10)

  // The counts of an ended worker are kept, or the sum would fall.
  const [first, second] = listening(server) as [number, number]
  t.not(first, second)
  process.kill(second, 'SIGKILL')
  await printedSoFar(server, () => listening(server).length === 3)
  t.match(server.printed(), /"signal":"SIGKILL","pauseMs":100,"msg":"a worker ended and is replaced"/)
  t.equal(await metric(address, READS), 10)
  t.equal((await get(`${address}${PRODUCTS}`)).status, 200)

  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
  t.equal(new Set(pidsOf(server, 'stopping')).size, 3, 'two workers and their primary')
})

t.test('a worker that does not answer is reported with its last counts', async (t) => {
  const { server, address } = await startBoth(t)
  for (let count = 0; count < 4; count += 1) await get(`${address}/livez`)
  t.equal(await metric(address, READS), 4)
  const stopped = listening(server)[1] as number
  process.kill(stopped, 'SIGSTOP')
  // That worker gets every other connection, and their requests wait with it.
  const asked = [1, 2].map(() => metric(address, READS))
  t.equal(await Promise.any(asked), 4)
  process.kill(stopped, 'SIGCONT')
  t.same(await Promise.all(asked), [4, 4])
  t.notMatch(server.printed(), /password/, 'there is an administrator')
  server.child.kill('SIGINT')
  t.equal(await server.ended, 0)
})

t.test('a failure of all workers to start is reported once, and ends all with exit code 1', async (t) => {
  const taken = await startServer(t, () => {})
  const server = startServerProcess(t, { ...env, PORT: new URL(taken.url).port })
  t.equal(await server.ended, 1)
  t.match(server.complained(), /^tenon: [^\n]*EADDRINUSE[^\n]*\n$/)
  t.notMatch(server.printed(), 'Tenon listens')
})

t.test('a second signal ends all at once', async (t) => {
  const { server } = await startBoth(t, { RATE_LIMIT_ENABLED: 'false', SHUTDOWN_GRACE_MS: '600000' })
  const held = listening(server)[0] as number
  process.kill(held, 'SIGSTOP')
  // Signals that come close together count as one.
  const signals = setInterval(() => server.child.kill('SIGTERM'), 100)
  // Its output ends when the last process that writes to it has ended.
  t.equal(await server.ended, 1)
  clearInterval(signals)
})

t.test('a worker that does not stop within the grace is ended, and the exit is still 0', async (t) => {
  const { server } = await startBoth(t, { RATE_LIMIT_ENABLED: 'false', SHUTDOWN_GRACE_MS: '0' })
  const held = listening(server)[1] as number
  process.kill(held, 'SIGSTOP')
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
})
