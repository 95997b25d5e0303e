import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { startServerProcess } from '#test/support/server.ts'

const [USERS, JOBS_EACH, KILLS] = [5, 20, 10]

t.test('killed in the middle of its work ten times, a worker does each job once', { skip: !isPostgres }, async (t) => {
  const { app, database, send, someone } = await startApp(t)
  const headers = { prefer: 'respond-async' }
  // Each row takes a moment, so that a kill meets work under way.
  await app.db.execute(sql`create function wait() returns trigger language plpgsql as $$
    begin perform pg_sleep(0.02); return new; end $$`)
  await app.db.execute(sql`create trigger wait before insert on items for each row execute function wait()`)
  for (let user = 0; user < USERS; user += 1) {
    const { token: as } = await someone()
    for (let job = 0; job < JOBS_EACH; job += 1) {
      const items = [0, 1, 2].map((row) => ({ title: `job ${user} ${job} ${row}` }))
      t.equal((await send('POST', '/api/v1/items/bulk', { as, body: { items }, headers })).status, 202)
    }
  }
  const count = async (where: ReturnType<typeof sql>) =>
    (await selectRaw<{ count: number }>(app.db, sql`select count(*)::int as count from ${where}`))[0]?.count as number
  const done = () => count(sql`jobs where state = 'done'`)
  const env = { DATABASE_URL: database.DATABASE_URL as string, DATABASE_POOL_MAX: '4' }
  for (let kill = 0; kill < KILLS; kill += 1) {
    const worker = startServerProcess(t, env, ['worker'])
    const before = await done()
    while ((await done()) < before + 3) await sleep(5)
    worker.child.kill('SIGKILL')
    t.equal(await worker.ended, 'SIGKILL')
  }
  startServerProcess(t, env, ['worker'])
  const since = performance.now()
  while ((await done()) < USERS * JOBS_EACH && performance.now() - since < 60_000) await sleep(100)
  t.equal(await done(), USERS * JOBS_EACH, 'each is done, those of killed workers within half a minute')
  t.comment(`the last were done ${Math.round(performance.now() - since)} ms after the last kill`)
  t.equal(await count(sql`items`), USERS * JOBS_EACH * 3)
  t.equal(await count(sql`(select distinct title from items) as titles`), USERS * JOBS_EACH * 3)
  t.ok((await count(sql`jobs where attempts > 1`)) > 0, 'kills met jobs that ran')
})
