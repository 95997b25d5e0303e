import { asc, eq, type SQL } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { allows } from '../scopes.ts'
import { apiKeys } from '../tables/api-keys.ts'
import { roles } from '../tables/roles.ts'
import { users } from '../tables/users.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const { id, prefix, name, scopes, tier, enabled, createdAt, expiresAt, lastUsedAt } = apiKeys
const columns = { id, prefix, name, user: users.email, scopes, tier, enabled, createdAt, expiresAt, lastUsedAt }

const select = (db: Database, where: SQL | undefined) =>
  db
    .select(columns)
    .from(apiKeys)
    .innerJoin(users, eq(users.id, apiKeys.userId))
    .where(where)
    .orderBy(asc(users.email), asc(apiKeys.id))

/** A key with the e-mail of its user, without its secret. */
export type ListedKey = Awaited<ReturnType<typeof select>>[number]

/** The keys of all users, or of one by its e-mail. */
export const listKeys = (db: Database, email?: string): Promise<ListedKey[]> =>
  select(db, email === undefined ? undefined : eq(users.email, email))

/** The start of a key, as lists show it, of the whole key or of its start. */
export const startOf = (key: string): string => key.split('_').slice(0, 3).join('_')

/** A key by its id or by its start (`tn_live_…`), as lists show them; the whole key is taken, too. */
export async function findListedKey(db: Database, named: string): Promise<ListedKey | undefined> {
  const [found] = await select(db, UUID.test(named) ? eq(id, named) : eq(prefix, startOf(named)))
  return found
}

/** Deletes a key, and the keys that it made. It is refused by every instance within a second. */
export async function revokeKey(db: Database, keyId: string): Promise<void> {
  await db.delete(apiKeys).where(eq(id, keyId))
}

/** Those of the scopes that the role of a user does not have: a key is never more than its user. */
export async function scopesBeyondRole(db: Database, userId: string, wanted: string[]): Promise<string[]> {
  const [row] = await db
    .select({ scopes: roles.scopes })
    .from(users)
    .innerJoin(roles, eq(roles.name, users.role))
    .where(eq(users.id, userId))
  const own = new Set(row?.scopes)
  return wanted.filter((scope) => !allows(own, scope))
}
