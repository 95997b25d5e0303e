import { mock } from 'node:test'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { idempotencyKeys } from '#src/db/tables/idempotency.ts'
import { startApp } from '#test/support/app.ts'

t.test('expired keys are swept while the server runs', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { app } = await startApp(t)
  const old = { caller: 'user:x', key: 'old', fingerprint: '', createdAt: sql`now() - interval '25 hours'` }
  await app.db.insert(idempotencyKeys).values(old)
  mock.timers.tick(600_000)
  while ((await app.db.$count(idempotencyKeys)) > 0);
  t.pass('it is gone')
})
