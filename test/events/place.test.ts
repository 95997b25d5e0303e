import { sql } from 'drizzle-orm'
import t from 'tap'
import type { Database } from '#src/db/database.ts'
import { MAX_PLACED, placeEvents } from '#src/events/place.ts'
import { events } from '#src/events/table.ts'
import { startApp } from '#test/support/app.ts'

const { app, someone } = await startApp(t)
const { id: ownerId } = await someone()
const principal = { userId: ownerId, role: 'admin', scopes: new Set(['*']) }
const write = (db: Database, title: string) =>
  db.execute(sql`insert into items (id, owner_id, title) values (gen_random_uuid(), ${ownerId}, ${title})`)
const read = async (after: number) => {
  const found = await app.events.read(principal, {}, { after, limit: 100 })
  return found.map(({ text, position }) => ({ title: JSON.parse(text).data.title, position }))
}

t.test('nothing to place is found without a lock', async (t) => {
  t.equal(await placeEvents(app.db), false)
  t.equal(await app.events.lastPosition(), 0)
})

t.test('events are placed in batches, in the order of writing, without holes', async (t) => {
  for (const title of ['a', 'b', 'c', 'd', 'e']) await write(app.db, title)
  t.equal(await placeEvents(app.db, 2), true)
  const placed = await app.db.select({ position: events.position }).from(events).orderBy(events.written)
  t.same(
    placed.map(({ position }) => position),
    [1, 2, null, null, null]
  )
  t.same(
    await read(0),
    ['a', 'b', 'c', 'd', 'e'].map((title, index) => ({ title, position: index + 1 }))
  )
  t.equal(await app.events.lastPosition(), 5)
})

t.test('places go on after all events were deleted', async (t) => {
  await app.db.delete(events)
  await write(app.db, 'f')
  t.same(await read(5), [{ title: 'f', position: 6 }])
})

t.test('reading places more events than one batch takes', async (t) => {
  await app.db.execute(
    sql`insert into items (id, owner_id, title)
      select gen_random_uuid(), ${ownerId}, 'many' from generate_series(1, ${MAX_PLACED + 1})`
  )
  const before = 6
  t.equal(await app.events.lastPosition(), before + MAX_PLACED + 1)
  await app.db.delete(events)
  await app.db.execute(sql`update event_head set position = ${before}`)
})

const onServer = process.env.TEST_DATABASE_URL ? false : 'the embedded database has one session'

t.test('an event that is committed late stands behind those that were read', { skip: onServer }, async (t) => {
  const started = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const slow = app.db.transaction(async (tx) => {
    await write(tx, 'slow')
    started.resolve()
    await release.promise
  })
  await started.promise
  await write(app.db, 'fast')
  t.same(await read(6), [{ title: 'fast', position: 7 }])
  release.resolve()
  await slow
  t.same(await read(7), [{ title: 'slow', position: 8 }])
})

t.test('readers that place at the same time give each event one place', { skip: onServer }, async (t) => {
  const titles = Array.from({ length: 50 }, (_, index) => `many ${index}`)
  await Promise.all(titles.map((title) => write(app.db, title)))
  const pages = await Promise.all(Array.from({ length: 8 }, () => read(8)))
  for (const page of pages) {
    t.same(
      page.map(({ position }) => position),
      titles.map((_, index) => index + 9)
    )
  }
})
