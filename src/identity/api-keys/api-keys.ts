import { eq, sql } from 'drizzle-orm'
import { v7 } from 'uuid'
import type { Database } from '#src/db/database.ts'
import { apiKeys } from '../tables/api-keys.ts'
import { hashKey, type KeyKind, makeKey, prefixOf } from './key-format.ts'

/** What its maker says about a key. */
export type KeyValues = Pick<
  typeof apiKeys.$inferInsert,
  'name' | 'scopes' | 'expiresAt' | 'allowedCidrs' | 'tier' | 'metadata' | 'enabled'
>

/** A key that was just made: the only time that it is in the clear. */
export interface NewKey {
  id: string
  key: string
}

/** Makes a key for a user. */
export async function createKey(db: Database, userId: string, kind: KeyKind, values: KeyValues): Promise<NewKey> {
  const id = v7()
  const key = makeKey(kind, id)
  await db.insert(apiKeys).values({ ...values, id, userId, prefix: prefixOf(kind, id), hash: hashKey(key) })
  return { id, key }
}

/**
 * Gives a key a new secret; the one before goes on for a while, so that a service can be changed over without a gap.
 */
export async function rotateKey(
  db: Database,
  { id, kind, overlapSeconds }: { id: string; kind: KeyKind; overlapSeconds: number }
): Promise<NewKey> {
  const key = makeKey(kind, id)
  await db
    .update(apiKeys)
    .set({
      previousHash: apiKeys.hash,
      previousUntil: sql`now() + make_interval(secs => ${overlapSeconds})`,
      hash: hashKey(key),
      prefix: prefixOf(kind, id),
      updatedAt: sql`now()`,
      version: sql`${apiKeys.version} + 1`
    })
    .where(eq(apiKeys.id, id))
  return { id, key }
}
