import { globSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { v7 } from 'uuid'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { accountTokens } from '#src/identity/tables/account-tokens.ts'
import { revokedTokens } from '#src/identity/tables/revoked-tokens.ts'
import { sessions } from '#src/identity/tables/sessions.ts'
import type { AnyJob } from '#src/jobs/job.ts'
import { startApp } from '#test/support/app.ts'
import drizzleConfig from '../../drizzle.config.ts'

const { app, someone } = await startApp(t)
const { id: userId } = await someone()
const DELETIONS = [
  'events.delete-old',
  'idempotency.delete-expired',
  'identity.delete-expired',
  'webhooks.delete-old-deliveries'
]
const [past, future] = [sql`now() - interval '25 hours'`, sql`now() + interval '1 hour'`]
const context = { signal: new AbortController().signal, progress: async () => {} }
const run = (name: string, batch: number) =>
  (app.jobs.definitions.get(name) as AnyJob).handle(app, { batch } as never, context as never)

t.test('whatever is scheduled runs once a night, each at a time of its own', (t) => {
  const scheduled = [...app.jobs.definitions.values()].filter(({ schedule }) => schedule)
  t.same(scheduled.map(({ name }) => name).sort(), DELETIONS)
  for (const { name, schedule } of scheduled) t.match(schedule?.cron, /^\d+ 3 \* \* \*$/, name)
  t.equal(new Set(scheduled.map(({ schedule }) => schedule?.cron)).size, scheduled.length)
  t.end()
})

t.test('expired logins and tokens are deleted in batches, and none that is still good', async (t) => {
  await app.db.delete(sessions)
  for (const expiresAt of [past, past, past, future]) {
    const id = v7()
    await app.db.insert(sessions).values({ userId, tokenHash: id, idleExpiresAt: expiresAt, expiresAt })
    await app.db.insert(revokedTokens).values({ jti: id, expiresAt })
    const token = { id, hash: id, purpose: 'verify-email', email: 'a@example.com', state: 'a', expiresAt } as const
    await app.db.insert(accountTokens).values(token)
  }
  t.same(await run('identity.delete-expired', 2), { deleted: 9 })
  for (const table of [sessions, revokedTokens, accountTokens]) t.equal(await app.db.$count(table), 1)
})

t.test('idempotency keys are deleted in batches after their 24 hours', async (t) => {
  for (const [key, createdAt] of Object.entries({ a: past, b: past, c: past, d: sql`now()` }))
    await app.db.insert(idempotencyKeys).values({ caller: 'user:x', key, fingerprint: '', createdAt })
  t.same(await run('idempotency.delete-expired', 2), { deleted: 3 })
  t.equal(await app.db.$count(idempotencyKeys), 1)
})

t.test('a deletion stops between two batches when it is cancelled', async (t) => {
  const cancelled = { ...context, signal: AbortSignal.abort(new Error('cancelled')) }
  for (const name of DELETIONS) {
    const { handle } = app.jobs.definitions.get(name) as AnyJob
    await t.rejects(handle(app, { batch: 1 } as never, cancelled as never), /cancelled/, name)
  }
})

t.test('each table with rows that expire is known to a deletion, or keeps them', async (t) => {
  const folder = join(import.meta.dirname, '../..')
  const files = globSync(drizzleConfig.schema as string[], { cwd: folder })
  const modules = await Promise.all(files.map((file) => import(join(folder, file))))
  const tables = modules.flatMap((one) => Object.values(one)).filter((one) => one instanceof PgTable)
  const expiring = tables
    .map(getTableConfig)
    .filter(({ columns }) => columns.some(({ name }) => name === 'expires_at'))
    .map(({ name }) => name)
  // Expired API keys are shown to their owners, and the rotation of signing keys deletes its own.
  t.same([...new Set(expiring)].sort(), ['account_tokens', 'api_keys', 'revoked_tokens', 'sessions', 'signing_keys'])
})
