import type { Database } from '#src/db/database.ts'
import type { Identity } from '../identity.ts'
import { findUserAndRole } from '../requests/auth-records.ts'
import { judge } from '../requests/grant.ts'
import { commonScopes } from '../scopes.ts'
import { OWN_CLIENT } from '../tokens/access-tokens.ts'
import type { RefreshToken } from '../tokens/refresh-tokens.ts'
import { type LiveSession, type Origin, rotateSession, startSession } from './sessions.ts'

/** What a login gives, by whichever route it came. */
export interface Tokens {
  accessToken: string
  expiresIn: number
  refreshToken: string
  scope: string
}

/** Starts a login of a user whose password was right. Undefined when they were disabled in that very moment. */
export async function startLogin(identity: Identity, db: Database, userId: string, origin: Origin, asked?: string[]) {
  return issue(identity, db, await startSession(db, identity.refreshTokens, userId, origin), asked)
}

/**
 * Goes on with a login by its refresh token; undefined when it has ended, or ends now because the token was used before:
 * what this process keeps in memory has to catch up with that.
 * @param mayUse whether the caller is the client that the login belongs to.
 */
export async function refreshLogin(
  identity: Identity,
  db: Database,
  token: RefreshToken,
  mayUse: (clientId: string | null) => boolean,
  asked?: string[]
): Promise<Tokens | undefined> {
  const session = await rotateSession(db, token, identity.refreshTokens.next(token), mayUse)
  return session && issue(identity, db, session, asked)
}

async function issue(
  { tokens }: Identity,
  db: Database,
  { id, userId, clientId, notAfter, refreshToken }: LiveSession,
  asked?: string[]
): Promise<Tokens | undefined> {
  const facts = await findUserAndRole(db, userId)
  const user = facts && judge({ userId }, facts, undefined)
  /* c8 ignore next -- the user was disabled since the caller looked */
  if (!user) return undefined
  const scopes = asked ? commonScopes(new Set(asked), user.scopes) : user.scopes
  const { token, expiresIn } = await tokens.sign({
    sub: userId,
    clientId: clientId ?? OWN_CLIENT,
    sessionId: id,
    scopes,
    role: asked ? undefined : user.role,
    notAfter
  })
  return { accessToken: token, expiresIn, refreshToken, scope: [...scopes].join(' ') }
}
