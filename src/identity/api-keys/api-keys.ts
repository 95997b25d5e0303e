import { eq, sql } from 'drizzle-orm'
import { v7 } from 'uuid'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { apiKeys } from '../tables/api-keys.ts'
import { users } from '../tables/users.ts'
import { hashKey, type KeyKind, makeKey, prefixOf } from './key-format.ts'

/** The values of a key that its maker chooses. */
export type KeyValues = Pick<
  typeof apiKeys.$inferInsert,
  'name' | 'scopes' | 'expiresAt' | 'allowedCidrs' | 'tier' | 'metadata' | 'enabled' | 'parentId'
>

/** A new key: the only time that its text is readable. */
export interface NewKey {
  id: string
  key: string
}

/** The most keys that a user has, expired and disabled ones too. */
export const MAX_KEYS = 100

/** Makes a key for a user. @throws ApiError CONFLICT when the user has 100 already. */
export function createKey(db: Database, userId: string, kind: KeyKind, values: KeyValues): Promise<NewKey> {
  const id = v7()
  const key = makeKey(kind, id)
  return db.transaction(async (tx) => {
    // The lock makes two requests at once count one after the other; foreign keys take no lock that would wait for it.
    await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update')
    if ((await tx.$count(apiKeys, eq(apiKeys.userId, userId))) >= MAX_KEYS)
      throw new ApiError('CONFLICT', `A user has at most ${MAX_KEYS} keys: revoke one that is no longer needed.`)
    await tx.insert(apiKeys).values({ ...values, id, userId, prefix: prefixOf(kind, id), hash: hashKey(key) })
    return { id, key }
  })
}

/** Gives a key a new secret; the old one works on for a while, so that a service can change over without a gap. */
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
