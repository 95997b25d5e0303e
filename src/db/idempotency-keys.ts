import { and, eq, sql } from 'drizzle-orm'
import type { Database, Transaction } from './open.ts'
import { idempotencyKeys } from './tables/idempotency.ts'

/** One use of a key. */
export interface KeyUse {
  caller: string
  key: string
  fingerprint: string
}

/** An answer as it is kept: its body as the text that was sent, or none. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string>
  body: string | null
}

const KEPT = sql`interval '24 hours'`
const BATCH = 1000

/**
 * Takes a key for the transaction, unless it was used in the last 24 hours or another transaction has it.
 * The lock is what nobody waits for: a request that met its own repetition would otherwise hold a connection until the
 * first one is done, and a hundred repetitions all connections.
 */
export async function claimKey(tx: Transaction, { caller, key, fingerprint }: KeyUse): Promise<boolean> {
  const claimed = await tx
    .insert(idempotencyKeys)
    .select(
      sql`select ${caller}, ${key}, ${fingerprint}, null::integer, null, null, now()
        where pg_try_advisory_xact_lock(hashtextextended(${`${caller} ${key}`}, 0))`
    )
    .onConflictDoUpdate({
      target: [idempotencyKeys.caller, idempotencyKeys.key],
      set: { fingerprint, status: null, headers: null, body: null, createdAt: sql`now()` },
      // One that is only waiting to be swept counts as gone.
      setWhere: sql`${idempotencyKeys.createdAt} < now() - ${KEPT}`
    })
    .returning({ key: idempotencyKeys.key })
  return claimed.length > 0
}

/** The answer that a key was first given and the request it was given to; undefined while that one is under way. */
export async function findAnswer(tx: Transaction, use: KeyUse) {
  const [row] = await tx.select().from(idempotencyKeys).where(isUse(use))
  if (!row) return undefined
  const answer = { status: row.status as number, headers: JSON.parse(row.headers as string), body: row.body }
  return { fingerprint: row.fingerprint, answer: answer as KeptAnswer }
}

/** Keeps the answer, with the effect that the transaction has. */
export async function keepAnswer(tx: Transaction, use: KeyUse, { status, headers, body }: KeptAnswer): Promise<void> {
  await tx
    .update(idempotencyKeys)
    .set({ status, headers: JSON.stringify(headers), body })
    .where(isUse(use))
}

/**
 * Deletes keys that are older than 24 hours, at most a thousand of them.
 * Instances that do it at once pass over each other's rows.
 * @returns how many there were.
 */
export async function sweepKeys(db: Database): Promise<number> {
  const { caller, key, createdAt } = idempotencyKeys
  const old = db
    .select({ caller, key })
    .from(idempotencyKeys)
    .where(sql`${createdAt} < now() - ${KEPT}`)
    .limit(BATCH)
    .for('update', { skipLocked: true })
  const swept = await db.delete(idempotencyKeys).where(sql`(${caller}, ${key}) in ${old}`).returning({ key })
  return swept.length
}

const isUse = ({ caller, key }: KeyUse) => and(eq(idempotencyKeys.caller, caller), eq(idempotencyKeys.key, key))
