import { gte, lt, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { identityChanges } from '../tables/identity-changes.ts'

/** The channel on which the triggers notify changes of users, roles, sessions and keys. */
export const CHANNEL = 'tenon_identity'

/**
 * The oldest transaction that may still run: later statements see every one below it. It also notifies a text, which
 * shows that the listener still receives.
 */
export async function readWatermark(db: Database, ping: string): Promise<number> {
  const [row] = await db
    .select({
      xmin: sql<string>`(pg_snapshot_xmin(pg_current_snapshot()))::text`,
      pinged: sql<string>`(pg_notify(${CHANNEL}, ${ping}))::text`
    })
    .from(sql`(values (1)) as once`)
  return Number((row as { xmin: string }).xmin)
}

/** The changes of transactions from a watermark on. Some of them may have been read before. */
export async function readChanges(db: Database, watermark: number): Promise<string[]> {
  const rows = await db
    .selectDistinct({ subject: identityChanges.subject })
    .from(identityChanges)
    .where(gte(identityChanges.xid, watermark))
  return rows.map(({ subject }) => subject)
}

/** Deletes changes that every instance has read: one that did not read for an hour has dropped its cache. */
export async function forgetChanges(db: Database): Promise<void> {
  await db.delete(identityChanges).where(lt(identityChanges.at, sql`now() - interval '1 hour'`))
}
