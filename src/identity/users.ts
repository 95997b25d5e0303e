import { randomBytes } from 'node:crypto'
import { and, eq } from 'drizzle-orm'
import type { Database } from '../db/open.ts'
import { users } from '../db/tables/users.ts'
import { hashPassword, isOutdated, verifyPassword } from './passwords.ts'
import { endOtherSessions } from './sessions.ts'

/** An e-mail address in the spelling that is stored and compared. */
export const normalizeEmail = (email: string): string => email.trim().toLowerCase()

/**
 * The user with this e-mail and password; undefined when there is none that may log in. Takes the same time for an unknown
 * user, a wrong password and a disabled user. A hash of older parameters is replaced by the way.
 */
export async function authenticate(db: Database, email: string, password: string) {
  const { id, role, active, passwordHash } = users
  const [user] = await db
    .select({ id, role, active, passwordHash })
    .from(users)
    .where(eq(users.email, normalizeEmail(email)))
  const matches = await verifyPassword(password, user?.passwordHash)
  if (!user?.active || !matches) return undefined
  if (isOutdated(user.passwordHash)) await replaceHash(db, user.id, await hashPassword(password), user.passwordHash)
  return user
}

/**
 * Changes a user's own password and ends every login of theirs except the one that it is changed in.
 * @returns false when the current password is another one.
 */
export async function changePassword(db: Database, { userId, sessionId, current, wanted }: PasswordChange) {
  const [user] = await db.select({ passwordHash: users.passwordHash }).from(users).where(eq(users.id, userId))
  if (!(await verifyPassword(current, user?.passwordHash))) return false
  const passwordHash = await hashPassword(wanted)
  return db.transaction(async (tx) => {
    const isChanged = await replaceHash(tx, userId, passwordHash, user?.passwordHash as string)
    if (isChanged) await endOtherSessions(tx, userId, sessionId)
    return isChanged
  })
}

interface PasswordChange {
  userId: string
  sessionId: string
  current: string
  wanted: string
}

// Only over the hash that was checked, or a change that came in between would be undone.
async function replaceHash(db: Database, id: string, passwordHash: string, expected: string): Promise<boolean> {
  const changed = await db
    .update(users)
    .set({ passwordHash })
    .where(and(eq(users.id, id), eq(users.passwordHash, expected)))
    .returning({ id: users.id })
  return changed.length > 0
}

/** Creates a user who registers: a member. @throws the database's error when the e-mail is taken. */
export async function registerUser(db: Database, { email, password, name }: Registration) {
  const passwordHash = await hashPassword(password)
  const [user] = await db
    .insert(users)
    .values({ email: normalizeEmail(email), name, passwordHash, role: 'member', active: true })
    .returning({ id: users.id, role: users.role })
  return user as { id: string; role: string }
}

interface Registration {
  email: string
  password: string
  name: string
}

/**
 * Creates the administrator of a database that has no user yet.
 * @returns the e-mail and password to show once, or undefined when there are users already.
 */
export async function createFirstAdmin(db: Database, email: string, given: string | undefined) {
  const [anyone] = await db.select({ id: users.id }).from(users).limit(1)
  if (anyone) return undefined
  const password = given ?? randomBytes(15).toString('base64url')
  const created = await db
    .insert(users)
    .values({
      email: normalizeEmail(email),
      name: 'Administrator',
      passwordHash: await hashPassword(password),
      role: 'admin',
      active: true
    })
    // Another instance may have been faster; its password is the one that was shown.
    .onConflictDoNothing()
    .returning({ email: users.email })
  return created[0] && { email: created[0].email, password, isGenerated: given === undefined }
}
