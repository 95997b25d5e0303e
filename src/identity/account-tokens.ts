import { hash, randomBytes } from 'node:crypto'
import { and, eq, gt, isNull, ne, or, type SQL, sql } from 'drizzle-orm'
import { lockUntilCommit } from '../db/advisory-locks.ts'
import type { Database, Transaction } from '../db/database.ts'
import { NO_PASSWORD } from './passwords/passwords.ts'
import { accountTokens } from './tables/account-tokens.ts'
import { users } from './tables/users.ts'

/** What a token that was sent by mail is for. */
export type TokenPurpose = (typeof accountTokens.$inferSelect)['purpose']

/** How long a token is good for, in seconds. */
export const TOKEN_SECONDS = 3600

/** The most mails an hour for one purpose to one address, and for one user. */
export const MAX_MAILS = 5

/** The part of a user that a token depends on. */
export interface TokenUser {
  id: string
  email: string
  passwordHash: string
  verifiedEmail: string | null
}

const hashToken = (token: string) => hash('sha256', token, 'base64url')

/** Stands for the e-mail and the password of a user. It tells neither. */
export const stateOf = ({ email, passwordHash }: Pick<TokenUser, 'email' | 'passwordHash'>): string =>
  hash('sha256', `${email} ${passwordHash}`, 'base64url')

/** The active user that a mail can be sent to; users of outside issuers have no password and no address here. */
export async function findTokenUser(db: Database, by: { id: string } | { email: string }) {
  const [user] = await selectUser(db, 'id' in by ? eq(users.id, by.id) : eq(users.email, by.email))
  return user
}

const selectUser = (db: Database, which: SQL) =>
  db
    .select({
      id: users.id,
      email: users.email,
      passwordHash: users.passwordHash,
      verifiedEmail: users.verifiedEmail
    })
    .from(users)
    .where(and(which, eq(users.active, true), ne(users.passwordHash, NO_PASSWORD)))

/**
 * Makes a token for a user, to be sent to an address.
 * @param id of the job that sends it: a further attempt replaces the token, and counts as the same mail.
 * @returns the token; undefined when the address or the user had `MAX_MAILS` of this kind in the last hour.
 */
export function makeToken(
  db: Database,
  { id, purpose, user, to }: { id: string; purpose: TokenPurpose; user: TokenUser; to: string }
): Promise<string | undefined> {
  const token = `tnm_${randomBytes(32).toString('base64url')}`
  return db.transaction(async (tx) => {
    // Jobs that run at once would each find room for one more.
    await lockUntilCommit(tx, 'accountTokens')
    const others = and(
      eq(accountTokens.purpose, purpose),
      or(eq(accountTokens.email, to), eq(accountTokens.userId, user.id)),
      gt(accountTokens.createdAt, sql`now() - make_interval(secs => ${TOKEN_SECONDS})`),
      ne(accountTokens.id, id)
    )
    if ((await tx.$count(accountTokens, others)) >= MAX_MAILS) return undefined
    const values = {
      hash: hashToken(token),
      state: stateOf(user),
      expiresAt: sql`now() + make_interval(secs => ${TOKEN_SECONDS})`
    }
    await tx
      .insert(accountTokens)
      .values({ id, purpose, userId: user.id, email: to, ...values })
      .onConflictDoUpdate({ target: accountTokens.id, set: values })
    return token
  })
}

const isUsable = (purpose: TokenPurpose, token: string) =>
  and(
    eq(accountTokens.hash, hashToken(token)),
    eq(accountTokens.purpose, purpose),
    isNull(accountTokens.usedAt),
    gt(accountTokens.expiresAt, sql`now()`)
  ) as SQL

const readToken = (db: Database, which: SQL) =>
  db
    .select({ userId: accountTokens.userId, email: accountTokens.email, state: accountTokens.state })
    .from(accountTokens)
    .where(which)

/** The address that a token was sent to, without using it up; undefined when it is not good, or not any more. */
export async function findTokenEmail(db: Database, purpose: TokenPurpose, token: string): Promise<string | undefined> {
  const [row] = await readToken(db, isUsable(purpose, token))
  return row?.email
}

/**
 * Uses a token up, in the transaction that acts on it, and locks its user: of several uses at once one has it.
 * @returns the user and the address that the token was sent to; undefined when it is not good, or not any more.
 */
export async function useToken(tx: Transaction, purpose: TokenPurpose, token: string) {
  const [found] = await readToken(tx, eq(accountTokens.hash, hashToken(token)))
  if (!found?.userId) return undefined
  // First the user, as a deletion of the user has it: the other way round the two could wait for each other.
  const [user] = await selectUser(tx, eq(users.id, found.userId)).for('update')
  if (!user || stateOf(user) !== found.state) return undefined
  const used = await tx
    .update(accountTokens)
    .set({ usedAt: sql`now()` })
    .where(isUsable(purpose, token))
    .returning({ id: accountTokens.id })
  return used.length > 0 ? { user, email: found.email } : undefined
}
