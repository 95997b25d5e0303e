import { and, desc, eq, exists, gt, inArray, isNotNull, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { v7, validate } from 'uuid'
import type { Database } from '#src/db/database.ts'
import type { Grant } from '../requests/grant.ts'
import { networkOf } from '../requests/network.ts'
import { hasNoSecondFactor } from '../second-factor/factors.ts'
import { revokedTokens } from '../tables/revoked-tokens.ts'
import { sessions } from '../tables/sessions.ts'
import { users } from '../tables/users.ts'
import { hashRefreshToken, type RefreshToken, type RefreshTokens } from '../tokens/refresh-tokens.ts'

/** For this long after its use a token gives the same successor again: for two tabs, or for a lost answer. */
const GRACE_SECONDS = 10
const IDLE_DAYS = 30
const ABSOLUTE_DAYS = 90
const KNOWN_DAYS = 30

/** The most logins of a user; a new one beyond that ends the least recently used one. */
export const MAX_SESSIONS = 100

/** The origin of a login. */
export interface Origin {
  userAgent: string | null
  ip: string | null
  clientId: string | null
  /** Where the client is a key: the secret that it sent. */
  secretId?: string | undefined
}

/** A user that gave the right password, and the right code where one is needed. */
interface LoginUser {
  id: string
  passwordHash: string
  hasSecondFactor: boolean
}

/** A login and its current refresh token. */
export interface LiveSession extends Omit<SessionRow, 'notAfter'> {
  /** In seconds since 1970: access tokens end then at the latest. */
  notAfter: number
  refreshToken: string
}

const inDays = (days: number) => sql`now() + make_interval(days => ${days})`
const soonest = sql<string>`floor(extract(epoch from ${sessions.expiresAt}))::bigint::text`
const { id, userId, clientId, scopes } = sessions
const live = { id, userId, clientId, scopes, notAfter: soonest }

/**
 * Starts a login, if the user is still active and the password still the one that was verified. The comparison with the
 * hash takes up to 15 s, so the inserting statement checks again, and locks the user: a later change of the password
 * waits, and ends this login with the others.
 * @param granted the scopes of the login; undefined for all scopes of the role.
 * @returns undefined when the user was disabled or the password changed in between.
 */
export async function startSession(
  db: Database,
  tokens: RefreshTokens,
  user: LoginUser,
  origin: Origin,
  granted?: string[]
): Promise<LiveSession | undefined> {
  const token = tokens.first(v7())
  const isUnchanged = and(
    eq(users.id, user.id),
    eq(users.passwordHash, user.passwordHash),
    eq(users.active, true),
    // A code, where one was needed, was used up just before.
    user.hasSecondFactor ? undefined : hasNoSecondFactor(db, user.id)
  )
  const [row] = await db
    .insert(sessions)
    .select(
      db
        .select({
          id: value(token.sessionId, 'uuid', 'id'),
          userId: users.id,
          clientId: value(origin.clientId, 'uuid', 'client_id'),
          scopes: sql<string[] | null>`${granted ? sql.param(granted, scopes) : null}::text[]`.as('scopes'),
          tokenHash: value(hashRefreshToken(token), 'text', 'token_hash'),
          previousHash: value(null, 'text', 'previous_hash'),
          rotatedAt: sql`now()`.as('rotated_at'),
          createdAt: sql`now()`.as('created_at'),
          idleExpiresAt: inDays(IDLE_DAYS).as('idle_expires_at'),
          expiresAt: inDays(ABSOLUTE_DAYS).as('expires_at'),
          userAgent: value(origin.userAgent, 'text', 'user_agent'),
          ip: value(origin.ip, 'text', 'ip'),
          revokedAt: value(null, 'timestamptz', 'revoked_at')
        })
        .from(users)
        .where(isUnchanged)
        .for('share')
    )
    .returning(live)
  if (row) await forgetExcess(db, user.id)
  return row && alive(row, token)
}

// Ended logins first, then the least recently used ones.
async function forgetExcess(db: Database, userId: string): Promise<void> {
  const excess = db
    .select({ id: sessions.id })
    .from(sessions)
    .where(eq(sessions.userId, userId))
    .orderBy(sql`(${sessions.revokedAt} is null) desc`, desc(sessions.rotatedAt), desc(sessions.id))
    .offset(MAX_SESSIONS)
    .for('update', { skipLocked: true })
  await db.delete(sessions).where(inArray(sessions.id, excess))
}

// A parameter of a SELECT has no column to take its type from.
const value = (text: string | null, type: keyof typeof CASTS, name: string) => sql`${text}${CASTS[type]}`.as(name)
const CASTS = { uuid: sql`::uuid`, text: sql`::text`, timestamptz: sql`::timestamptz` }

/** A condition for a statement: the login has not ended. */
export const isLiveSession = (db: Database, id: string): SQL =>
  exists(db.select({ id: sessions.id }).from(sessions).where(isLive(id)))

/**
 * Uses a refresh token. Gives its successor, or undefined when the login has ended. A second use of an old token ends
 * the login, with its access tokens: either the client or the second user stole it (RFC 9700, section 4.14.2). For a
 * grace time after its use a token gives the same successor once more.
 * @param mayUse whether the login belongs to this client.
 */
export async function rotateSession(
  db: Database,
  token: RefreshToken,
  next: RefreshToken,
  mayUse: (clientId: string | null) => boolean
): Promise<LiveSession | undefined> {
  const presented = hashRefreshToken(token)
  const current = await findLive(db, token.sessionId)
  if (!current || !mayUse(current.clientId)) return undefined
  // One statement: of many at once one rotates, and the others find its result.
  const [rotated] = await db
    .update(sessions)
    .set({
      previousHash: presented,
      tokenHash: hashRefreshToken(next),
      rotatedAt: sql`now()`,
      idleExpiresAt: inDays(IDLE_DAYS)
    })
    .where(and(isLive(token.sessionId), eq(sessions.tokenHash, presented)))
    .returning(live)
  if (rotated) return alive(rotated, next)
  const isInGrace = and(
    eq(sessions.previousHash, presented),
    gt(sessions.rotatedAt, sql`now() - make_interval(secs => ${GRACE_SECONDS})`)
  )
  const [again] = await db
    .select(live)
    .from(sessions)
    .where(and(isLive(token.sessionId), isInGrace))
  if (again) return alive(again, next)
  await endSessions(db, eq(sessions.id, token.sessionId))
  return undefined
}

/** The current grant of a login, for any client: no more than was granted at its start. */
export const grantOfSession = ({ id, userId, clientId, scopes }: Omit<SessionRow, 'notAfter'>): Grant => ({
  userId,
  sessionId: id,
  ...(clientId !== null && { keyId: clientId }),
  ...(scopes && { scopes: new Set(scopes) })
})

/** Ends one login of a user. @returns whether there was one. */
export async function endSession(db: Database, userId: string, id: string): Promise<boolean> {
  return endSessions(db, and(eq(sessions.userId, userId), eq(sessions.id, id)) as SQL)
}

/** Ends the login of a refresh token, even of an old one. */
export async function endSessionOf(db: Database, { sessionId }: RefreshToken): Promise<void> {
  await endSessions(db, eq(sessions.id, sessionId))
}

/** Ends every login of a user except one. */
export async function endOtherSessions(db: Database, userId: string, kept: string): Promise<void> {
  await endSessions(db, and(eq(sessions.userId, userId), ne(sessions.id, kept)) as SQL)
}

/** Ends every login of a user. */
export async function endAllSessions(db: Database, userId: string): Promise<void> {
  await endSessions(db, eq(sessions.userId, userId))
}

/** Ends an access token that belongs to no login. @param expiresAt in seconds since 1970. */
export async function revokeToken(db: Database, jti: string, expiresAt: number): Promise<void> {
  await db
    .insert(revokedTokens)
    .values({ jti, expiresAt: sql`to_timestamp(${expiresAt}::bigint)` })
    .onConflictDoNothing()
}

/** The logins of a user that have not ended, the newest first. */
export function listSessions(db: Database, userId: string) {
  const { id, createdAt, rotatedAt, expiresAt, userAgent, ip, clientId } = sessions
  return db
    .select({ id, createdAt, lastUsedAt: rotatedAt, expiresAt, userAgent, ip, clientId })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNotOver()))
    .orderBy(desc(createdAt))
    .limit(200)
}

/**
 * The networks that an account logged in from in the last 30 days, ended logins included.
 * @param account the e-mail or the id of its user.
 */
export async function loginNetworks(db: Database, account: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectDistinct({ ip: sessions.ip })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(validate(account) ? users.id : users.email, account),
        isNotNull(sessions.ip),
        gt(sessions.createdAt, sql`now() - make_interval(days => ${KNOWN_DAYS})`)
      )
    )
    .limit(200)
  return new Set(rows.map(({ ip }) => networkOf(ip as string)))
}

/** The login of a refresh token that can still be used, or undefined. */
export async function findLiveToken(db: Database, token: RefreshToken) {
  const isCurrent = eq(sessions.tokenHash, hashRefreshToken(token))
  const [row] = await db
    .select(live)
    .from(sessions)
    .where(and(isLive(token.sessionId), isCurrent))
  return row
}

/** The login with an id, if it has not ended. */
export async function findLive(db: Database, id: string): Promise<SessionRow | undefined> {
  const [row] = await db.select(live).from(sessions).where(isLive(id))
  return row
}

/** The columns of a login that its tokens depend on. */
interface SessionRow {
  id: string
  userId: string
  clientId: string | null
  /** The granted scopes; null for all scopes of the role. */
  scopes: string[] | null
  notAfter: string
}

const alive = ({ notAfter, ...row }: SessionRow, { text }: RefreshToken): LiveSession => ({
  ...row,
  notAfter: Number(notAfter),
  refreshToken: text
})

const isNotOver = () =>
  and(isNull(sessions.revokedAt), gt(sessions.idleExpiresAt, sql`now()`), gt(sessions.expiresAt, sql`now()`))

const isLive = (id: string) => and(eq(sessions.id, id), isNotOver())

async function endSessions(db: Database, which: SQL): Promise<boolean> {
  const ended = await db
    .update(sessions)
    .set({ revokedAt: sql`now()` })
    .where(and(which, isNull(sessions.revokedAt)))
    .returning({ id: sessions.id })
  return ended.length > 0
}
