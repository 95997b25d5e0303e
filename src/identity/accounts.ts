import { and, asc, eq, ne, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { hashPassword } from './passwords/passwords.ts'
import { endAllSessions } from './sessions/sessions.ts'
import { roles } from './tables/roles.ts'
import { users } from './tables/users.ts'
import { assertNotReserved, generatePassword, normalizeEmail } from './users.ts'

/** A user, as a list for an operator shows it. */
export interface Account {
  id: string
  email: string
  name: string
  role: string
  active: boolean
  createdAt: string
}

const { id, email, name, role, active, createdAt } = users
const account = { id, email, name, role, active, createdAt }

/** All users, in the order of their e-mail. */
export const listAccounts = (db: Database): Promise<Account[]> =>
  db.select(account).from(users).orderBy(asc(users.email))

/** The user with an e-mail. */
export async function findAccount(db: Database, address: string): Promise<Account | undefined> {
  const [found] = await db
    .select(account)
    .from(users)
    .where(eq(users.email, normalizeEmail(address)))
  return found
}

/**
 * Makes a user with a random password.
 * @returns the account and its password, to be shown once; or what keeps it from being made.
 * @throws ApiError VALIDATION_FAILED for an e-mail in the domain that this server reserves.
 */
export async function createAccount(
  db: Database,
  wanted: { email: string; name: string; role: string }
): Promise<(Account & { password: string }) | 'taken' | 'unknown role'> {
  assertNotReserved(wanted.email)
  if ((await db.$count(roles, eq(roles.name, wanted.role))) === 0) return 'unknown role'
  const password = generatePassword()
  const passwordHash = await hashPassword(password)
  const [made] = await db
    .insert(users)
    .values({ ...wanted, email: normalizeEmail(wanted.email), passwordHash, active: true })
    .onConflictDoNothing()
    .returning(account)
  return made ? { ...made, password } : 'taken'
}

/** Disables a user and ends its logins, at once on every instance. The last active administrator stays. */
export function disableAccount(db: Database, address: string): Promise<'disabled' | 'unknown' | 'last administrator'> {
  return db.transaction(async (tx) => {
    // The lock on the role makes two that disable the last two administrators take turns.
    await tx.select({ name: roles.name }).from(roles).where(eq(roles.name, 'admin')).for('update')
    const found = await findAccount(tx, address)
    if (!found) return 'unknown'
    const others = and(eq(users.role, 'admin'), eq(users.active, true), ne(users.id, found.id))
    if (found.role === 'admin' && (await tx.$count(users, others)) === 0) return 'last administrator'
    await tx
      .update(users)
      .set({ active: false, updatedAt: sql`now()`, version: sql`${users.version} + 1` })
      .where(eq(users.id, found.id))
    await endAllSessions(tx, found.id)
    return 'disabled'
  })
}
