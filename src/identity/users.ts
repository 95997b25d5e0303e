import { randomBytes } from 'node:crypto'
import { and, eq, type SQL, sql } from 'drizzle-orm'
import type { Database, Transaction } from '../db/database.ts'
import { ApiError, validationFailed } from '../errors.ts'
import { hashPassword, isOutdated, verifyPassword } from './passwords/passwords.ts'
import { assertNotEmail } from './passwords/policy.ts'
import { endAllSessions, endOtherSessions, isLiveSession } from './sessions/sessions.ts'
import { secondFactors } from './tables/second-factors.ts'
import { users } from './tables/users.ts'

/** The spelling of an e-mail address that is stored and compared. */
export const normalizeEmail = (email: string): string => email.trim().toLowerCase()

/** The domain of local users for subjects of external issuers. It cannot exist (RFC 2606). */
export const EXTERNAL_DOMAIN = 'external.invalid'

/** @throws ApiError VALIDATION_FAILED for an e-mail in the domain that this server reserves. */
export function assertNotReserved(email: string): void {
  const domain = normalizeEmail(email.normalize('NFKC')).split('@').at(-1)?.replace(/\.$/, '')
  if (domain !== EXTERNAL_DOMAIN && !domain?.endsWith(`.${EXTERNAL_DOMAIN}`)) return
  throw validationFailed([{ in: 'body', path: '/email', code: 'reserved', message: 'is of a domain that is reserved' }])
}

/** A user with a verified password, and the hash that it was compared with. */
export interface VerifiedUser {
  id: string
  role: string
  passwordHash: string
  /** Whether the login also needs a code. */
  hasSecondFactor: boolean
}

/**
 * The user with this e-mail and password; undefined when there is none that may log in. Takes the same time for an
 * unknown user, a wrong password and a disabled user. It also replaces a hash of older parameters.
 */
export async function authenticate(db: Database, email: string, password: string): Promise<VerifiedUser | undefined> {
  const [user] = await findVerifiable(db, eq(users.email, normalizeEmail(email)))
  const matches = await verifyPassword(password, user?.passwordHash)
  if (!user?.active || !matches) return undefined
  if (!isOutdated(user.passwordHash)) return user
  const renewed = await hashPassword(password)
  const isReplaced = await replaceHash(db, user.id, renewed, user.passwordHash)
  return isReplaced ? { ...user, passwordHash: renewed } : user
}

/** An active user with a password verified before: for the second step of a login. */
export async function findVerified(db: Database, id: string): Promise<VerifiedUser | undefined> {
  const [user] = await findVerifiable(db, and(eq(users.id, id), eq(users.active, true)) as SQL)
  return user
}

const findVerifiable = (db: Database, which: SQL) =>
  db
    .select({
      id: users.id,
      role: users.role,
      active: users.active,
      passwordHash: users.passwordHash,
      hasSecondFactor: sql<boolean>`${secondFactors.confirmedAt} is not null`
    })
    .from(users)
    .leftJoin(secondFactors, eq(secondFactors.userId, users.id))
    .where(which)

/**
 * Prepares a change of a user's own password, with its slow hashing. Undefined when the current one is wrong.
 * @throws ApiError VALIDATION_FAILED when the new one is the user's e-mail.
 */
export async function preparePassword(
  db: Database,
  { userId, current, wanted }: { userId: string; current: string; wanted: string }
): Promise<NewPassword | undefined> {
  const { email, passwordHash } = users
  const [user] = await db.select({ email, passwordHash }).from(users).where(eq(users.id, userId))
  if (!(await verifyPassword(current, user?.passwordHash)) || !user) return undefined
  assertNotEmail(wanted, '/newPassword', user.email)
  return { passwordHash: await hashPassword(wanted), expected: user.passwordHash }
}

/** The replacement of a password. */
export interface NewPassword {
  passwordHash: string
  expected: string
}

/**
 * Changes the password, and ends every login of the user except the current one. The current one must still exist:
 * hashing takes a while, and the user may have ended it meanwhile.
 * @returns false when the password has changed since, or the login has ended.
 */
export function changePassword(
  db: Database,
  { userId, sessionId }: { userId: string; sessionId: string },
  { passwordHash, expected }: NewPassword
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const isChanged = await replaceHash(tx, userId, passwordHash, expected, isLiveSession(tx, sessionId))
    if (isChanged) await endOtherSessions(tx, userId, sessionId)
    return isChanged
  })
}

// Only if the hash is still the checked one: otherwise a change in between would be undone.
async function replaceHash(db: Database, id: string, passwordHash: string, expected: string, also?: SQL) {
  const changed = await db
    .update(users)
    .set({ passwordHash })
    .where(and(eq(users.id, id), eq(users.passwordHash, expected), eq(users.active, true), also))
    .returning({ id: users.id })
  return changed.length > 0
}

/**
 * Gives a user a new random password, and ends every login.
 * @returns the password, or undefined when there is no such user.
 */
export async function resetPassword(db: Database, email: string): Promise<string | undefined> {
  const password = generatePassword()
  const passwordHash = await hashPassword(password)
  return db.transaction(async (tx) => {
    const [user] = await tx
      .update(users)
      .set({ passwordHash })
      .where(eq(users.email, normalizeEmail(email)))
      .returning({ id: users.id })
    if (user) await endAllSessions(tx, user.id)
    return user && password
  })
}

/** A new random password of 120 bits. */
export const generatePassword = () => randomBytes(15).toString('base64url')

/** Sets the password of a user by a link that was sent by mail, and ends every login. */
export async function setPassword(tx: Transaction, id: string, passwordHash: string): Promise<void> {
  await tx.update(users).set({ passwordHash }).where(eq(users.id, id))
  await endAllSessions(tx, id)
}

/** Whether a user has this e-mail. */
export async function isEmailTaken(db: Database, email: string): Promise<boolean> {
  return (await db.$count(users, eq(users.email, email))) > 0
}

/** Notes that the user of an account reads this address. */
export async function confirmEmail(tx: Transaction, id: string, email: string): Promise<void> {
  await tx.update(users).set({ verifiedEmail: email }).where(eq(users.id, id))
}

/** Creates a user that registers, as a member. @throws the database's error when the e-mail is taken. */
export async function registerUser(db: Database, { email, passwordHash, name }: Registration): Promise<VerifiedUser> {
  const [user] = await db
    .insert(users)
    .values({ email: normalizeEmail(email), name, passwordHash, role: 'member', active: true })
    .returning({ id: users.id, role: users.role, passwordHash: users.passwordHash })
  return { ...user, hasSecondFactor: false } as VerifiedUser
}

interface Registration {
  email: string
  passwordHash: string
  name: string
}

/** @throws ApiError NOT_FOUND when there is no user with this id. */
export async function assertUser(db: Database, id: string): Promise<void> {
  if ((await db.$count(users, eq(users.id, id))) === 0)
    throw new ApiError('NOT_FOUND', 'There is no user with this id.')
}

/** The e-mail of a user, and the hash that the password was compared with. */
export interface Proof {
  email: string
  passwordHash: string
}

/** Checks a user's own password before a change of the account: undefined when it is wrong. */
export async function provePassword(db: Database, userId: string, password: string): Promise<Proof | undefined> {
  const { email, passwordHash } = users
  const [user] = await db.select({ email, passwordHash }).from(users).where(eq(users.id, userId))
  return (await verifyPassword(password, user?.passwordHash)) ? user : undefined
}

/**
 * Locks a user after that check, in the transaction that changes the account.
 * @returns false when the password has changed since, the user is disabled, or the login has ended.
 */
export async function lockProved(
  tx: Transaction,
  { userId, sessionId }: { userId: string; sessionId: string },
  { passwordHash }: Proof
): Promise<boolean> {
  const [row] = await tx
    .select({ id: users.id })
    .from(users)
    .where(
      and(
        eq(users.id, userId),
        eq(users.passwordHash, passwordHash),
        eq(users.active, true),
        isLiveSession(tx, sessionId)
      )
    )
    .for('update')
  return row !== undefined
}

/**
 * Changes the e-mail of a user. @throws the database's error when it is taken.
 * @param isVerified whether a message to it was answered.
 */
export async function changeEmail(db: Database, id: string, email: string, isVerified = false): Promise<void> {
  const wanted = normalizeEmail(email)
  await db
    .update(users)
    .set({
      email: wanted,
      ...(isVerified && { verifiedEmail: wanted }),
      updatedAt: sql`now()`,
      version: sql`${users.version} + 1`
    })
    .where(eq(users.id, id))
}

/**
 * Creates the administrator of a database without users.
 * @returns the e-mail and password to show once, or undefined when there are users already.
 */
export async function createFirstAdmin(db: Database, email: string, given: string | undefined) {
  const [anyone] = await db.select({ id: users.id }).from(users).limit(1)
  if (anyone) return undefined
  const password = given ?? generatePassword()
  const created = await db
    .insert(users)
    .values({
      email: normalizeEmail(email),
      name: 'Administrator',
      passwordHash: await hashPassword(password),
      role: 'admin',
      active: true
    })
    // Another instance may have been faster; it showed its own password.
    .onConflictDoNothing()
    .returning({ email: users.email })
  return created[0] && { email: created[0].email, password, isGenerated: given === undefined }
}
