import type { Database } from '#src/db/database.ts'
import type { Identity } from '../identity.ts'
import { findKey, findUserAndRole } from '../requests/auth-records.ts'
import { judge } from '../requests/grant.ts'
import { commonScopes } from '../scopes.ts'
import { checkCode, consumeCode, type RightCode } from '../second-factor/factors.ts'
import { OWN_CLIENT } from '../tokens/access-tokens.ts'
import type { RefreshToken } from '../tokens/refresh-tokens.ts'
import { authenticate, findVerified, type VerifiedUser } from '../users.ts'
import { grantOfSession, type LiveSession, type Origin, rotateSession, startSession } from './sessions.ts'

/** The result of a login, for each of its routes. */
export interface Tokens {
  accessToken: string
  expiresIn: number
  refreshToken: string
  scope: string
}

/** The values of a refresh request. */
export interface Asked {
  /** Fewer scopes than granted, for this one access token. */
  asked?: string[] | undefined
  /** Where the client is a key: the secret that it sent. */
  secretId?: string | undefined
}

/** Starts a login after a right password. Undefined when the password was changed or the user disabled since then. */
export async function startLogin(
  identity: Identity,
  db: Database,
  user: VerifiedUser,
  origin: Origin,
  asked?: string[]
): Promise<Tokens | undefined> {
  const session = await startSession(db, identity.refreshTokens, user, origin, asked)
  return session && issue(identity, db, session, { secretId: origin.secretId })
}

/**
 * The same for a user found by e-mail and password. When the stored hash has changed, the password is compared once
 * more: a parallel login may have replaced a hash of older parameters.
 */
export async function startVerifiedLogin(
  identity: Identity,
  db: Database,
  { email, password, user }: { email: string; password: string; user: VerifiedUser },
  origin: Origin,
  asked?: string[]
): Promise<Tokens | undefined> {
  const tokens = await startLogin(identity, db, user, origin, asked)
  if (tokens) return tokens
  const again = await authenticate(db, email, password)
  return again && !again.hasSecondFactor ? startLogin(identity, db, again, origin, asked) : undefined
}

/** The answer to the first step of a login with a second factor. */
export function challengeOf({ factorSecrets }: Identity, user: VerifiedUser, clientId: string | null = null) {
  const fingerprint = factorSecrets.fingerprint(user.passwordHash)
  return factorSecrets.writeChallenge({ userId: user.id, clientId, fingerprint })
}

/** A login with a right code, which is not used up yet. */
interface SecondStep {
  user: VerifiedUser
  code: RightCode
}

/**
 * Checks the second step of a login. Undefined when the challenge has expired, belongs to another client, or is older
 * than a change of the password, and when the code is wrong.
 * @throws ApiError TOO_MANY_REQUESTS when too many codes were tried.
 */
export async function checkSecondStep(
  identity: Identity,
  db: Database,
  { challenge, code, clientId }: { challenge: string; code: string; clientId: string | null },
  address: string
): Promise<SecondStep | undefined> {
  const { codes, factorSecrets } = identity
  const read = factorSecrets.readChallenge(challenge)
  if (!read || read.clientId !== clientId) return undefined
  return codes.attempt(read.userId, address, async () => {
    const user = await findVerified(db, read.userId)
    if (!user || factorSecrets.fingerprint(user.passwordHash) !== read.fingerprint) return undefined
    const right = await checkCode(db, factorSecrets, user.id, code)
    return right && { user, code: right }
  })
}

/** Uses up the code and starts the login, or neither; undefined when the code was used or the user changed since. */
export function startSecondStep(
  identity: Identity,
  db: Database,
  { user, code }: SecondStep,
  origin: Origin,
  asked?: string[]
): Promise<Tokens | undefined> {
  return db.transaction(async (tx) =>
    (await consumeCode(tx, user.id, code))
      ? startLogin(identity, tx, { ...user, hasSecondFactor: true }, origin, asked)
      : undefined
  )
}

/**
 * Continues a login by its refresh token. Undefined when it has ended, or ends now because the token was used before;
 * then the cache of this process catches up with that.
 * @param mayUse whether the login belongs to this client.
 */
export async function refreshLogin(
  identity: Identity,
  db: Database,
  token: RefreshToken,
  mayUse: (clientId: string | null) => boolean,
  more: Asked = {}
): Promise<Tokens | undefined> {
  const session = await rotateSession(db, token, identity.refreshTokens.next(token), mayUse)
  return session && issue(identity, db, session, more)
}

// The answer, the claim and introspection name the real scopes of the token: within the role, the granted scopes, and
// the key of its client.
async function issue(
  { tokens }: Identity,
  db: Database,
  session: LiveSession,
  { asked, secretId }: Asked
): Promise<Tokens | undefined> {
  const { id, userId, clientId, notAfter, refreshToken } = session
  const records = await findUserAndRole(db, userId)
  const key = clientId === null ? undefined : await findKey(db, clientId)
  const isKnown = records && (clientId === null || key)
  const user = isKnown && judge(grantOfSession(session), { ...records, key }, undefined)
  if (!user) return undefined
  const scopes = asked ? commonScopes(new Set(asked), user.scopes) : user.scopes
  const { token, expiresIn } = await tokens.sign({
    sub: userId,
    clientId: clientId ?? OWN_CLIENT,
    sessionId: id,
    secretId,
    scopes,
    role: asked || session.scopes ? undefined : user.role,
    notAfter
  })
  return { accessToken: token, expiresIn, refreshToken, scope: [...scopes].join(' ') }
}
