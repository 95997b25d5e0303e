import type { Database } from '#src/db/database.ts'
import { unauthenticated } from '../access.ts'
import type { Principal } from '../principal.ts'
import { findKey, findSession, findUserAndRole } from './auth-records.ts'
import { judge } from './grant.ts'

/**
 * Reads a principal again, in the transaction that acts for it. A request that hashed a password was authenticated up
 * to 15 s ago, and since then its user may have been disabled, demoted or logged out.
 * @throws ApiError UNAUTHENTICATED when the credential is no longer valid.
 */
export async function currentPrincipal(db: Database, principal: Principal): Promise<Principal> {
  const { userId, scopes, sessionId, keyId } = principal
  const records = await findUserAndRole(db, userId)
  const session = sessionId === undefined ? undefined : await findSession(db, sessionId)
  const key = keyId === undefined ? undefined : await findKey(db, keyId)
  const isGone = (sessionId !== undefined && !session) || (keyId !== undefined && !key)
  const now = records && !isGone && judge({ userId, scopes, sessionId, keyId }, { ...records, session, key }, undefined)
  if (!now) throw unauthenticated('The credential has ended.', 'error="invalid_token"')
  return now
}
