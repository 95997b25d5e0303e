import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import deleteOldEvents from '#src/events/delete-old-events.job.ts'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { JOBS: 'on', EVENT_RETENTION_DAYS: '7' })
const { token, id } = await someone()

t.test('events are deleted after their days, in batches, and later ones stay', async (t) => {
  await app.db.execute(sql`insert into items (id, owner_id, title)
    select gen_random_uuid(), ${id}, 'old' from generate_series(1, 25)`)
  await app.events.place()
  await app.db.execute(sql`update events set created_at = now() - interval '8 days'`)
  await send('POST', '/api/v1/items', { as: token, body: { title: 'new' } })
  await app.events.place()
  const job = await app.jobs.send(deleteOldEvents, { batch: 10 })
  const read = () =>
    selectRaw<{ state: string; deleted: number }>(
      app.db,
      sql`select state, (result->>'deleted')::int as deleted from jobs where id = ${job}`
    )
  while ((await read())[0]?.state !== 'done') await sleep(5)
  t.equal((await read())[0]?.deleted, 25)
  const { data } = (await send('GET', '/api/v1/events', { as: token })).body
  t.same(
    data.map(({ data: { title } }: { data: { title: string } }) => title),
    ['new']
  )
})

t.test('a reader that needs deleted events is told', async (t) => {
  await t.rejects(app.events.lastPosition(0), { code: 'EVENTS_GONE' })
  const last = await app.events.lastPosition()
  t.equal(await app.events.lastPosition(last - 1), last)
  await t.rejects(app.events.lastPosition(last + 1), { code: 'EVENTS_GONE' }, 'a database that was restored')
})

t.test('an older event behind a younger one waits for it', async (t) => {
  await send('POST', '/api/v1/items', { as: token, body: { title: 'old behind it' } })
  await app.events.place()
  await app.db.execute(
    sql`update events set created_at = now() - interval '8 days' where stored->>'title' = 'old behind it'`
  )
  const job = await app.jobs.send(deleteOldEvents, { batch: 10 })
  const state = () => selectRaw<{ state: string }>(app.db, sql`select state from jobs where id = ${job}`)
  while ((await state())[0]?.state !== 'done') await sleep(5)
  t.equal((await send('GET', '/api/v1/events', { as: token })).body.data.length, 2)
})

t.test('the job is planned for the night', async (t) => {
  const [planned] = await selectRaw<{ hour: number }>(
    app.db,
    sql`select extract(hour from start_after at time zone 'utc')::int as hour from job_common
      where name = 'events.delete-old' and state = 'created'`
  )
  t.equal(planned?.hour, 3)
})
