import type { Database } from '#src/db/database.ts'
import { unauthenticated } from '../access.ts'
import type { Principal } from '../principal.ts'
import { findKey, findSession, findUserAndRole } from './auth-records.ts'
import { judge } from './grant.ts'

/**
 * The same principal by what the database says now, in the transaction that acts for it. A request that hashed a password in
 * between was let in up to 15 s ago, and its user may have been disabled, demoted or logged out since then.
 * @throws ApiError UNAUTHENTICATED when the credential is worth nothing any more.
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
