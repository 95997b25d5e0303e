import { and, eq, gte, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { selectRaw } from '../../db/rows.ts'
import { idempotencyKeys } from './table.ts'

/** Which key, as it is stored: neither the caller's text nor anything that it could be found from. */
export interface StoredKey {
  caller: string
  key: string
}

/** An answer as it is kept: its body sealed, or none. */
export interface CachedResponse {
  status: number
  headers: Record<string, string>
  body: string | null
}

const CACHED_VERBS = sql`interval '24 hours'`

/**
 * Takes a key, unless it was used in the last 24 hours or another request holds it.
 * No request waits for the lock: otherwise a repetition would hold a connection until the first request is done, and a
 * hundred repetitions would hold all connections.
 * @param leaseSeconds how long the key is taken when that is not as long as the transaction. The holder renews the
 * lease; when the lease has expired, the process that held it counts as dead.
 * @returns when it was taken, which tells this use from a later one; undefined when it was not.
 */
export async function claimKey(
  db: Database,
  { caller, key }: StoredKey,
  fingerprint: string,
  leaseSeconds?: number
): Promise<string | undefined> {
  const { createdAt, status, leasedUntil } = idempotencyKeys
  const until = leaseSeconds === undefined ? sql`null::timestamptz` : inSeconds(leaseSeconds)
  const [claimed] = await db
    .insert(idempotencyKeys)
    .select(
      sql`select ${caller}, ${key}, ${fingerprint}, null::integer, null, null, now(), ${until}
        where pg_try_advisory_xact_lock(hashtextextended(${`${caller} ${key}`}, 0))`
    )
    .onConflictDoUpdate({
      target: [idempotencyKeys.caller, idempotencyKeys.key],
      set: { fingerprint, status: null, headers: null, body: null, createdAt: sql`now()`, leasedUntil: until },
      // One that is only waiting to be deleted counts as gone.
      setWhere: sql`${createdAt} < now() - ${CACHED_VERBS} or (${status} is null and ${leasedUntil} < now())`
    })
    .returning({ createdAt })
  return claimed?.createdAt
}

/** Whether a request with a key is under way. */
export async function isTaken(db: Database, key: StoredKey): Promise<boolean> {
  const { status, leasedUntil } = idempotencyKeys
  // The statement is a transaction of its own, so the lock is free again when it ends.
  const [found] = await selectRaw<{ taken: boolean }>(
    db,
    sql`select not pg_try_advisory_xact_lock(hashtextextended(${`${key.caller} ${key.key}`}, 0)) or exists (
      select 1 from ${idempotencyKeys} where ${isKey(key)} and ${status} is null and ${leasedUntil} >= now()
    ) as taken`
  )
  return (found as { taken: boolean }).taken
}

/** The answer that a key was given and the request it was given to; undefined while there is none. */
export async function findAnswer(db: Database, key: StoredKey) {
  const { createdAt, status } = idempotencyKeys
  const [row] = await db
    .select()
    .from(idempotencyKeys)
    .where(and(isKey(key), isNotNull(status), gte(createdAt, sql`now() - ${CACHED_VERBS}`)))
  if (!row) return undefined
  const answer = { status: row.status as number, headers: JSON.parse(row.headers as string), body: row.body }
  return { fingerprint: row.fingerprint, answer: answer as CachedResponse }
}

/** One use of a key, under way. */
export interface Claim {
  key: StoredKey
  /** As `claimKey` gave it: a use that was taken for dead must not write over the next one. */
  claimedAt: string
}

/** Keeps the answer: of a transaction with the effect that it has. */
export async function keepAnswer(
  db: Database,
  claim: Claim,
  fingerprint: string,
  { status, headers, body }: CachedResponse
): Promise<void> {
  const kept = { fingerprint, status, headers: JSON.stringify(headers), body, leasedUntil: null }
  await db.update(idempotencyKeys).set(kept).where(isClaim(claim))
}

/** Goes on having a key. */
export async function renewClaim(db: Database, claim: Claim, leaseSeconds: number): Promise<void> {
  await db
    .update(idempotencyKeys)
    .set({ leasedUntil: inSeconds(leaseSeconds) })
    .where(isClaim(claim))
}

/** Gives a key back, unused. */
export async function releaseClaim(db: Database, claim: Claim): Promise<void> {
  await db.delete(idempotencyKeys).where(isClaim(claim))
}

/**
 * Deletes keys that are older than 24 hours, at most `batch` of them.
 * @returns how many there were.
 */
export async function deleteExpiredKeys(db: Database, batch: number): Promise<number> {
  const { caller, key, createdAt } = idempotencyKeys
  const old = db
    .select({ caller, key })
    .from(idempotencyKeys)
    .where(sql`${createdAt} < now() - ${CACHED_VERBS}`)
    .limit(batch)
    .for('update', { skipLocked: true })
  const gone = await db.delete(idempotencyKeys).where(sql`(${caller}, ${key}) in ${old}`).returning({ key })
  return gone.length
}

const inSeconds = (seconds: number) => sql`now() + make_interval(secs => ${seconds})`
const isKey = ({ caller, key }: StoredKey) => and(eq(idempotencyKeys.caller, caller), eq(idempotencyKeys.key, key))
const isClaim = ({ key, claimedAt }: Claim) => and(isKey(key), eq(idempotencyKeys.createdAt, claimedAt))
