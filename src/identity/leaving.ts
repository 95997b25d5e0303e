import { and, asc, eq, notInArray } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { NO_PASSWORD } from './passwords/passwords.ts'
import { users } from './tables/users.ts'
import { EXTERNAL_DOMAIN } from './users.ts'

const NAMELESS = `deleted@${EXTERNAL_DOMAIN}`

/** The id of the one user that owns the remaining rows of deleted users. Made at first use; it cannot log in. */
export async function namelessUser(db: Database): Promise<string> {
  const values = { email: NAMELESS, name: 'Deleted user', passwordHash: NO_PASSWORD, role: 'member', active: false }
  await db.insert(users).values(values).onConflictDoNothing()
  const [row] = await db.select({ id: users.id }).from(users).where(eq(users.email, NAMELESS))
  return (row as { id: string }).id
}

/** The id of the oldest active administrator except some users. @throws ApiError CONFLICT when there is none. */
export async function firstAdministrator(db: Database, besides: string[]): Promise<string> {
  const [row] = await db
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.role, 'admin'), eq(users.active, true), notInArray(users.id, besides)))
    .orderBy(asc(users.createdAt), asc(users.id))
    .limit(1)
  if (!row) throw new ApiError('CONFLICT', 'There is no administrator who could take over what the account owns.')
  return row.id
}

/** Deletes a user, with logins, keys and factors. @throws the database's error while something still refers to it. */
export async function deleteUser(db: Database, id: string): Promise<void> {
  await db.delete(users).where(eq(users.id, id))
}
