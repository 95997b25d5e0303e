import { sql } from 'drizzle-orm'
import t from 'tap'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { startApp } from '#test/support/app.ts'
import { takeIntervals } from '#test/support/intervals.ts'

t.test('expired keys are swept while the server runs', async (t) => {
  const tick = takeIntervals(t, 600_000)
  const { app } = await startApp(t)
  const old = { caller: 'user:x', key: 'old', fingerprint: '', createdAt: sql`now() - interval '25 hours'` }
  await app.db.insert(idempotencyKeys).values(old)
  tick()
  while ((await app.db.$count(idempotencyKeys)) > 0);
  t.pass('it is gone')

  await app.db.insert(idempotencyKeys).values(old)
  Object.defineProperty(app.identity.principals, 'isAsleep', { value: true })
  tick()
  await new Promise(setImmediate)
  t.equal(await app.db.$count(idempotencyKeys), 1, 'a database that sleeps is not woken for it')
})
