import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { JOBS: 'on' })
const { token } = await someone()
const metrics = async () => (await send('GET', '/metrics')).text
const rename = (from: string, to: string) =>
  app.db.execute(sql`alter table ${sql.identifier(from)} rename to ${sql.identifier(to)}`)

t.test('metrics tell the jobs that are due and run in any process, and no scrape reads an empty queue', async (t) => {
  // Of a job that this process does not have.
  await app.db.execute(sql`select create_queue('elsewhere', '{"policy":"standard"}'::jsonb)`)
  await app.db.execute(sql`insert into job_common (name, state, start_after, started_on) values
    ('elsewhere', 'created', now() - interval '1 minute', null), ('elsewhere', 'created', now() + interval '1 minute', null),
    ('elsewhere', 'active', now(), now())`)
  const [before, again] = await Promise.all([metrics(), metrics()])
  t.match(before, /^jobs_due\{job="elsewhere"\} 1$/m)
  t.match(before, /^jobs_running\{job="elsewhere"\} 1$/m)
  t.match(before, /^jobs_oldest_due_seconds\{job="elsewhere"\} 6\d/m)
  t.match(again, /^jobs_due/m)

  await rename('job_common', 'job_away')
  t.notMatch(await metrics(), /^jobs_due\{/m, 'a database that is away takes no other metric along')
  await rename('job_away', 'job_common')
  t.match(await metrics(), /^jobs_due\{/m)
  await app.db.execute(sql`delete from job_common where name = 'elsewhere'`)
  t.notMatch(await metrics(), /^jobs_due\{/m)
  await app.db.execute(sql`insert into job_common (name) values ('elsewhere')`)
  t.notMatch(await metrics(), /^jobs_due\{/m, 'it is empty as far as this process knows')
  await app.db.execute(sql`delete from job_common where name = 'elsewhere'`)
})

t.test('metrics tell how attempts ended', async (t) => {
  const sent = { as: token, body: { items: [{ title: 'one' }] }, headers: { prefer: 'respond-async' } }
  const { id } = (await send('POST', '/api/v1/items/bulk', sent)).body
  const state = () => selectRaw<{ state: string }>(app.db, sql`select state from jobs where id = ${id}`)
  while ((await state())[0]?.state !== 'done') await sleep(5)
  while (!/^job_attempt_duration_seconds_count\{job="bulk",outcome="done"\} 1$/m.test(await metrics())) await sleep(5)
  t.pass()
})
