import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { EventLog } from '#src/events/log.ts'
import { streamEvents } from '#src/events/stream.ts'
import { EventStreams, MAX_STREAMS } from '#src/events/streams.ts'
import type { Principal } from '#src/identity/principal.ts'
import { startApp } from '#test/support/app.ts'
import { until } from '#test/support/until.ts'

const { app, send, someone } = await startApp(t)
const [ada, bob] = [await someone(), await someone()]
const item = (title: string, as = ada.token) => send('POST', '/api/v1/items', { as, body: { title } })
const principal: Principal = { userId: ada.id, role: 'member', scopes: new Set(['items:read']) }

interface Parts {
  streams: EventStreams
  times: object
  principal: Principal
  principalNow: () => Promise<Principal | undefined>
  after: number
  cut: () => void
  log: EventLog
}

const uncut = t.fail.bind(t, 'a stream that goes on is cut')

/** A stream without HTTP. */
async function follow(parts: Partial<Parts> = {}) {
  const { streams = app.eventStreams, times = {} } = parts
  const failures: unknown[] = []
  const open = streams.begin(parts.principal ?? principal, parts.cut ?? uncut)
  const stream = streamEvents({
    open,
    log: parts.log ?? app.events,
    tail: streams.tail,
    filter: {},
    after: parts.after ?? (await app.events.lastPosition()),
    principalNow: parts.principalNow ?? (async () => open.principal),
    idOf: (position) => `${position}`,
    onFailure: (error) => failures.push(error),
    times
  })
  t.match((await stream.next()).value, /^retry/)
  const next = async () => (await stream.next()).value as string | undefined
  const leave = () => {
    streams.release(open)
    // As a response does: the generator gives up what would cut a slow reader.
    return stream.return()
  }
  return { open, stream, next, failures, leave }
}

/** Streams of their own, as another process has. */
function otherStreams(parts: object = {}) {
  const streams = new EventStreams({
    log: app.events,
    news: app.eventNews,
    listen: app.listenToDatabase,
    catchUp: () => app.identity.principals.catchUp(),
    onFailure: () => {},
    ...parts
  })
  t.teardown(() => streams.close())
  return streams
}

t.test('a comment comes while nothing happens, with an id when there were events of others', async (t) => {
  const { open, next, stream } = await follow({ times: { heartbeatMs: 30 } })
  t.equal(await next(), ':\n\n')
  await item('of Bob', bob.token)
  const last = await app.events.lastPosition()
  let heartbeat = await next()
  while (heartbeat === ':\n\n') heartbeat = await next()
  t.equal(heartbeat, `id: ${last}\n:\n\n`)
  app.eventStreams.release(open)
  t.equal(await next(), ': the reader has gone\n\n')
  t.same(await stream.next(), { value: undefined, done: true })
})

t.test('a flood is read in pages, from memory or from the database', async (t) => {
  const one = await follow()
  const after = await app.events.lastPosition()
  await app.db.execute(sql`insert into items (id, owner_id, title)
    select gen_random_uuid(), ${ada.id}, 'flood ' || number from generate_series(1, 250) as number`)
  const countsOf = async ({ next }: { next: () => Promise<string | undefined> }) => {
    const counts: number[] = []
    while (counts.reduce((sum, count) => sum + count, 0) < 250)
      counts.push((await next())?.match(/^data: /gm)?.length as number)
    return counts
  }
  t.same(await countsOf(one), [100, 100, 50])
  const late = await follow({ after, streams: otherStreams() })
  t.same(await countsOf(late), [100, 100, 50])
  await one.leave()
  await late.leave()
})

t.test('what is far behind is forgotten, and read from the database', async (t) => {
  const { leave } = await follow()
  const after = await app.events.lastPosition()
  await until(async () => await app.eventStreams.tail.read(after, () => true))
  const title = 'x'.repeat(200)
  await app.db.execute(sql`insert into items (id, owner_id, title, description)
    select gen_random_uuid(), ${bob.id}, ${title}, ${'y'.repeat(2000)} from generate_series(1, 1500)`)
  const last = await app.events.lastPosition()
  await until(async () => (await app.eventStreams.tail.read(last, () => true))?.upTo === last)
  await until(async () => (await app.eventStreams.tail.read(after, () => true)) === undefined)
  const late = await follow({ after, principal: { ...principal, userId: bob.id } })
  t.match(await late.next(), /^id: .*\nevent: item.created\ndata: /)
  await late.leave()
  await leave()
})

t.test('events that are not kept any more end a stream that needs them', async (t) => {
  const { next, failures, leave } = await follow({ after: 10_000_000 })
  t.equal(await next(), ': events after this place are not kept any more\n\n')
  t.same(failures, [])
  await leave()
})

t.test('a stream ends when its reader takes nothing', async () => {
  let isCut = false
  const cut = () => {
    isCut = true
  }
  const { leave } = await follow({ cut, times: { slowMs: 1 } })
  await until(() => isCut)
  await leave()
})

t.test('a stream ends when its credential does, by itself or by a change', async (t) => {
  const short = await follow({ principal: { ...principal, expiresAt: Date.now() + 20 } })
  t.match(await short.next(), /^: the credential is not valid any more/)
  await short.leave()
  const revoked = await follow({ principalNow: async () => undefined })
  const before = await app.events.lastPosition()
  const next = revoked.next()
  await item('not for the one that was revoked')
  t.match(await next, /^: the credential is not valid any more/)
  t.equal(await app.events.lastPosition(), before + 1)
  await revoked.leave()
})

t.test('a stream that cannot be read ends, and says so to the log', async (t) => {
  const failing = new EventLog(app.db)
  failing.readAfter = () => Promise.reject(new Error('away'))
  const { next, failures, leave } = await follow({ after: 0, log: failing, streams: otherStreams({ log: failing }) })
  t.equal(await next(), ': the events cannot be read\n\n')
  t.match(failures, [{ message: 'away' }])
  await leave()
})

t.test('while the database is away, streams wait for it', async (t) => {
  const flaky = new EventLog(app.db)
  let [isAway, told] = [false, 0]
  flaky.stored = (after, limit) => (isAway ? Promise.reject(new Error('away')) : app.events.stored(after, limit))
  flaky.render = (rows) => app.events.render(rows)
  flaky.mayRead = (who, event) => app.events.mayRead(who, event)
  const onFailure = () => {
    told += 1
    isAway = false
  }
  const streams = otherStreams({ log: flaky, onFailure })
  const { next, leave } = await follow({ log: flaky, streams })
  const position = await app.events.lastPosition()
  await until(async () => await streams.tail.read(position, () => true))
  isAway = true
  const given = next()
  await item('meanwhile')
  t.match(await given, /meanwhile/)
  t.equal(told, 1)
  await leave()
})

t.test('an answer of a row that cannot be made is tried again by the next reader', async (t) => {
  const log = new EventLog(app.db)
  let tries = 0
  log.render = (rows) => {
    tries += 1
    return tries === 1 ? Promise.reject(new Error('away')) : app.events.render(rows)
  }
  log.stored = (after, limit) => app.events.stored(after, limit)
  log.mayRead = (who, event) => app.events.mayRead(who, event)
  const streams = otherStreams({ log })
  const one = await follow({ streams, log })
  const after = await app.events.lastPosition()
  await until(async () => await streams.tail.read(after, () => true))
  await item('hard to tell')
  t.equal(await one.next(), ': the events cannot be read\n\n')
  const other = await follow({ streams, log, after })
  t.match(await other.next(), /hard to tell/)
  await one.leave()
  await other.leave()
})

t.test('the streams of a process are bounded, and none begins when it stops', async (t) => {
  const streams = otherStreams()
  let cut = 0
  for (let count = 0; count < MAX_STREAMS.all; count += 1) {
    const one = streams.begin({ ...principal, userId: `user ${count}` }, () => {
      cut += 1
      streams.release(one)
    })
  }
  t.throws(() => streams.begin(principal, uncut), { code: 'OVERLOADED', headers: { 'retry-after': '30' } })
  await streams.close()
  t.throws(() => streams.begin(principal, uncut), { code: 'UNAVAILABLE' })
  await until(() => cut === MAX_STREAMS.all)
})

t.test('changes of rights are looked up by the streams that they concern', async (t) => {
  let [tell, looks] = [(_text: string) => {}, 0]
  const streams = otherStreams({
    catchUp: async () => {
      looks += 1
      if (looks === 2) throw new Error('away')
    },
    listen: async (_channel: string, onMessage: typeof tell) => {
      tell = onMessage
      return { close: async () => {} }
    }
  })
  const one = streams.begin({ ...principal, sessionId: 's', keyId: 'k' }, uncut)
  const checked = async (text: string) => {
    one.mustCheck = false
    tell(text)
    await sleep(1)
    return one.mustCheck
  }
  await sleep(1)
  for (const text of [`user:${ada.id}`, 'role:member', 'session:s', 'key:k', 'token:any'])
    t.equal(await checked(text), true, text)
  for (const text of [`user:${bob.id}`, 'role:admin', 'session:t', 'key:l', 'signing-key:k', 'ping:x:1'])
    t.equal(await checked(text), false, text)
  t.equal(looks, 5)
  streams.release(one)
})
