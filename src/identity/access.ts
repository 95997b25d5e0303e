import { ApiError } from '../errors.ts'
import type { Principal } from './principal.ts'
import { type Access, allows } from './scopes.ts'

/** @throws ApiError UNAUTHENTICATED or FORBIDDEN (naming the scope) when a route is not for this principal. */
export function authorize(principal: Principal | null, access: Access): void {
  if (access === 'public') return
  if (!principal) throw unauthenticated('This needs a credential.')
  if (access === 'account') {
    assertAccount(principal)
    return
  }
  if (access === 'authenticated' || allows(principal.scopes, access)) return
  throw insufficientScope(access)
}

/** @throws ApiError FORBIDDEN naming the first of the given scopes that the principal does not have. */
export function assertCanGrant(principal: Principal, given: Iterable<string>): void {
  for (const scope of given) if (!allows(principal.scopes, scope)) throw insufficientScope(scope)
}

/** A 401 with its challenge (RFC 6750, section 3). */
export function unauthenticated(message: string, challenge?: string): ApiError {
  const headers = { 'www-authenticate': ['Bearer realm="tenon"', challenge].filter(Boolean).join(', ') }
  return new ApiError('UNAUTHENTICATED', message, { headers })
}

/** A 403 that names the scope. */
export function insufficientScope(scope: string): ApiError {
  return new ApiError('FORBIDDEN', `This needs the scope ${scope}.`, {
    facts: { scope },
    headers: { 'www-authenticate': `Bearer realm="tenon", error="insufficient_scope", scope="${scope}"` }
  })
}

// Account changes are refused to a key, which other people may hold, and to a narrowed token.
function assertAccount(principal: Principal): void {
  if (principal.isFull) return
  throw new ApiError('FORBIDDEN', 'This is for users who logged in, not for keys and narrowed tokens.')
}

/** The id of the login that a principal comes from. @throws ApiError FORBIDDEN where it has none here. */
export function sessionOf(principal: Principal | null): string {
  if (principal?.sessionId) return principal.sessionId
  throw new ApiError('FORBIDDEN', 'This is for users who logged in here.')
}
