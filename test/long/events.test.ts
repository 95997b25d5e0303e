import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql, TransactionRollbackError } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { type Someone, startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { patiently } from '#test/support/patiently.ts'
import { startServer } from '#test/support/processes.ts'

// The embedded database has one process and one session: while a transaction is open nothing else is changed.
const { CHANGES, SERVERS, CALLERS, TRANSACTIONS, MAX_HELD_MS } = isPostgres
  ? { CHANGES: 10_000, SERVERS: 3, CALLERS: 24, TRANSACTIONS: 6, MAX_HELD_MS: 500 }
  : { CHANGES: 1000, SERVERS: 1, CALLERS: 4, TRANSACTIONS: 1, MAX_HELD_MS: 0 }
const MIN_ROWS = CHANGES / 20
const MAX_ROWS_AT_ONCE = 8
const CUTS = 20

interface Event {
  id: string
  type: string
  subject: string
  data: { title: string; description: string; ownerId: string }
}

const settings = { JWT_ISSUER: 'http://issuer.test', RATE_LIMIT_ENABLED: 'false', JOBS: 'off' }
const { app, database, someone } = await startApp(t, settings)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
// Each change of a row is numbered under the lock of the row: the numbers are in the order of the commits.
await app.db.execute(sql`create function number_change() returns trigger language plpgsql as $$
  begin
    new.description := case when tg_op = 'INSERT' then 1 else old.description::int + 1 end;
    return new;
  end $$`)
await app.db.execute(sql`create trigger number_change before insert or update on items
  for each row execute function number_change()`)
const startOther = () => startServer(t, { ...settings, DATABASE_URL: database.DATABASE_URL as string })
const servers = isPostgres
  ? await Promise.all(Array.from({ length: SERVERS }, startOther))
  : [await app.listen({ host: '127.0.0.1', port: 0 })]
// Some connections of `fetch` never had a request: the application alone would wait for the end of these.
t.teardown(() => app.server.closeAllConnections())
const draw = <One>(from: readonly One[]): One => from[randomInt(from.length)] as One
const isOneIn = (count: number) => randomInt(count) === 0

async function call(method: string, path: string, as: Someone, body?: object) {
  const { status, body: answered } = await patiently(async () => {
    const answer = await fetch(`${draw(servers)}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${as.token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) })
    })
    const text = await answer.text()
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: text ? JSON.parse(text) : {} }
  })
  if (status > 299 && status !== 404) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answered)}`)
  return { status, body: answered }
}

const rows = new Map<string, Someone>()
/** Of each change that was committed the title that it gave, or the row that it deleted. */
const committed: string[] = []
let [claimed, titles] = [0, 0]
const newTitle = () => {
  titles += 1
  return `change ${titles}`
}
// In the order of their ids, as the server locks them: otherwise they could wait for each other.
const someRowsOf = (as: Someone, most: number) => {
  const own = [...rows.keys()].filter((id) => rows.get(id) === as)
  return [...new Set(Array.from({ length: Math.min(own.length, most) }, () => draw(own)))].sort()
}

/** Each makes changes of a user, of `most` rows at most. @returns those that were committed. */
const byRequest = {
  async create(as: Someone) {
    const { body } = await call('POST', '/items', as, { title: newTitle() })
    rows.set(body.id, as)
    return [body.title]
  },
  async createMany(as: Someone, most: number) {
    const items = Array.from({ length: most }, () => ({ title: newTitle() }))
    const { body } = await call('POST', '/items/bulk', as, { items })
    for (const { id } of body.results) rows.set(id, as)
    return items.map(({ title }) => title)
  },
  async update(as: Someone) {
    const title = newTitle()
    const { status } = await call('PATCH', `/items/${someRowsOf(as, 1)[0]}`, as, { title })
    // Another writer has deleted it.
    return status === 404 ? [] : [title]
  },
  async updateMany(as: Someone, most: number) {
    const items = someRowsOf(as, most).map((id) => ({ id, title: newTitle() }))
    const { body } = await call('PATCH', '/items/bulk?mode=partial', as, { items })
    return items.flatMap(({ title }, at) => (body.results[at].status === 'updated' ? [title] : []))
  },
  async remove(as: Someone) {
    const [id] = someRowsOf(as, 1) as [string]
    rows.delete(id)
    await call('DELETE', `/items/${id}`, as)
    return [`items/${id}`]
  }
}

/** A transaction of another program that stays open for a while; some are rolled back. */
async function byTransaction(as: Someone, most: number): Promise<string[]> {
  while (rows.size < MIN_ROWS) await sleep(5)
  const made: string[] = []
  const stepMs = randomInt(MAX_HELD_MS + 1) / most
  try {
    await app.db.transaction(async (tx) => {
      for (const id of someRowsOf(as, most)) {
        const title = newTitle()
        const changed = await selectRaw(tx, sql`update items set title = ${title} where id = ${id} returning id`)
        if (changed.length === 1) made.push(title)
        await sleep(stepMs)
      }
      if (isOneIn(5)) tx.rollback()
    })
    return made
  } catch (error) {
    if (error instanceof TransactionRollbackError) return []
    throw error
  }
}

/** Makes changes one after the other until all writers together have made that many. */
async function write(upTo: number, make: (as: Someone, most: number) => Promise<string[]>): Promise<void> {
  while (committed.length < upTo) {
    const most = Math.min(upTo - claimed, 1 + randomInt(MAX_ROWS_AT_ONCE))
    if (most === 0) {
      await sleep(5)
      continue
    }
    claimed += most
    const made = await make(draw([ada, bob]), most)
    claimed -= most - made.length
    committed.push(...made)
  }
}

function request(as: Someone, most: number): Promise<string[]> {
  if (rows.size < MIN_ROWS) return draw([byRequest.create, byRequest.createMany])(as, most)
  const { create, update, updateMany, remove } = byRequest
  return draw([create, update, update, update, updateMany, updateMany, remove])(as, most)
}

/** Walks the list while it grows, until all changes are made and it has reached the end. */
async function walk(as: Someone, isComplete: () => boolean): Promise<Event[]> {
  const walked: Event[] = []
  let [cursor, seen] = ['', [] as Event[]]
  for (;;) {
    const isLast = isComplete()
    const { body } = await call('GET', `/events?limit=200${cursor}`, as)
    const { data, page } = body as { data: Event[]; page: { next: string | null } }
    // A page that was not full is asked for again: what it had it has still, at the same places.
    if (data.slice(0, seen.length).some(({ id }, at) => id !== seen[at]?.id)) t.fail('a page changed')
    seen = page.next === null ? data : []
    if (page.next === null && !isLast) {
      await sleep(20)
      continue
    }
    walked.push(...data)
    if (page.next === null) return walked
    cursor = `&cursor=${page.next}`
  }
}

/**
 * Follows events until one has the title. It is cut off each time that it has got so many, and goes on at another server.
 * @param onBegun called when the server has told where the stream begins.
 */
async function follow(as: Someone, last: string, cuts: number[], onBegun: () => void) {
  const events: Event[] = []
  let [id, cut, server] = ['', 0, 0]
  for (;;) {
    const abort = new AbortController()
    const { body } = await fetch(`${servers[server % servers.length]}/api/v1/events/stream`, {
      headers: { authorization: `Bearer ${as.token}`, ...(id && { 'last-event-id': id }) },
      signal: abort.signal
    })
    for await (const piece of piecesOf(body as ReadableStream<Uint8Array>)) {
      id = /^id: (.*)$/m.exec(piece)?.[1] ?? id
      onBegun()
      const data = /^data: (.*)$/m.exec(piece)?.[1]
      if (data) events.push(JSON.parse(data))
      // What has arrived behind this piece is lost with the connection.
      if (events.at(-1)?.data.title === last || events.length >= (cuts[cut] ?? Infinity)) break
    }
    abort.abort()
    if (events.at(-1)?.data.title === last) return { events, cut }
    cut += 1
    server += 1 + randomInt(2)
  }
}

async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = ''
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const parts = (text + part).split('\n\n')
    text = parts.pop() as string
    yield* parts
  }
}

/** After how many of so many events a reader is cut off. */
function drawCuts(upTo: number): number[] {
  const cuts = new Set<number>()
  while (cuts.size < CUTS) cuts.add(randomInt(upTo))
  return [...cuts].sort((a, b) => a - b)
}

/** What an event tells, as `committed` has it. */
const changeOf = ({ type, subject, data }: Event) => (type === 'item.deleted' ? subject : data.title)
const idsOf = (events: Event[]) => events.map(({ id }) => id)

/** Whether the changes of a row are numbered from 1. A deleted row has the number of its last change. */
const isInOrder = (events: Event[]) =>
  events.every(({ type, data }, at) => {
    const isDeletion = type === 'item.deleted' && at === events.length - 1
    return Number(data.description) === (isDeletion ? at : at + 1)
  })

t.test('each of many changes is in the list and in a stream once, in the order of the commits', async (t) => {
  const began = performance.now()
  const last = 'the last change'
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
  const followed = Promise.all([
    follow(admin, last, drawCuts(CHANGES), begun[0].resolve),
    follow(ada, last, drawCuts(CHANGES / 4), begun[1].resolve)
  ])
  await Promise.all(begun.map(({ promise }) => promise))
  let isComplete = false
  const walks = Promise.all([walk(admin, () => isComplete), walk(ada, () => isComplete)])
  await Promise.all([
    ...Array.from({ length: CALLERS }, () => write(CHANGES - 1, request)),
    ...Array.from({ length: TRANSACTIONS }, () => write(CHANGES - 1, byTransaction))
  ])
  const { body } = await call('POST', '/items', ada, { title: last })
  committed.push(body.title)
  isComplete = true
  const [[all, adas], [follower, adasFollower]] = await Promise.all([walks, followed])
  t.comment(`${CHANGES} changes in ${Math.round(performance.now() - began)} ms`)

  t.equal(committed.length, CHANGES)
  t.same(all.map(changeOf).sort(), committed.toSorted(), 'the list has each change once, and none that was rolled back')
  t.same(idsOf(follower.events), idsOf(all), 'the stream has them once and in the order of the list')
  t.same(idsOf(adas), idsOf(all.filter(({ data }) => data.ownerId === ada.id)), 'a user has the own ones in this order')
  t.same(idsOf(adasFollower.events), idsOf(adas))
  t.same([follower.cut, adasFollower.cut], [CUTS, CUTS])
  const outOfOrder = [...Map.groupBy(all, ({ subject }) => subject)].filter(([, events]) => !isInOrder(events))
  t.same(outOfOrder, [], 'the events of each row are in the order of its changes')
})
