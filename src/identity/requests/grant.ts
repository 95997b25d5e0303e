import type { BlockList } from 'node:net'
import { secretIdOf } from '../api-keys/key-format.ts'
import type { Principal } from '../principal.ts'
import { commonScopes } from '../scopes.ts'

/** What a credential says by itself, once its signature or checksum holds. What it is worth now, the database says. */
export interface Grant {
  /** The user it acts for; of a key only the database knows. */
  userId?: string
  /** What it is limited to; undefined for all that the role, or the key, has. */
  scopes?: ReadonlySet<string>
  sessionId?: string
  keyId?: string
  /** The hash of the key that was sent; undefined for a token that a key was exchanged for. */
  keyHash?: string
  /** Of a token that a key was exchanged for: which of its secrets was sent, as `secretIdOf` says it. */
  secretId?: string
  /** Of a token that can be revoked by itself. */
  tokenId?: string
  /** In milliseconds since 1970. */
  expiresAt?: number
  /** The principal that it was the last time, and what of the database that was made from. */
  known?: { from: AuthRecords; principal: Principal }
}

/** A user as far as requests depend on it. */
export interface UserRecord {
  id: string
  role: string
  active: boolean
}

/** A role as far as requests depend on it. */
export interface RoleRecord {
  scopes: ReadonlySet<string>
}

/** A login as far as requests depend on it. */
export interface SessionRecord {
  userId: string
  isRevoked: boolean
}

/** A key as far as requests depend on it. Times in milliseconds since 1970. */
export interface KeyRecord {
  id: string
  userId: string
  hash: string
  previousHash: string | null
  previousUntil: number
  scopes: ReadonlySet<string>
  expiresAt: number
  allowed: BlockList | undefined
  tier: string | null
  enabled: boolean
}

/** What the database knows about a grant: undefined where the grant has no such thing. */
export interface AuthRecords {
  user: UserRecord
  role: RoleRecord
  session?: SessionRecord | undefined
  key?: KeyRecord | undefined
  token?: { isRevoked: boolean } | undefined
}

/**
 * Who a grant makes its bearer, by what the database says now; undefined when it is worth nothing any more.
 * @param address where the request comes from; undefined where that does not matter.
 */
export function judge(grant: Grant, facts: AuthRecords, address: string | undefined): Principal | undefined {
  const now = Date.now()
  const { user, role, session, key, token } = facts
  if (!user.active || session?.isRevoked || token?.isRevoked) return undefined
  if (session && session.userId !== user.id) return undefined
  if ((grant.expiresAt ?? Infinity) <= now) return undefined
  if (key && !isUsable(key, grant, address, now)) return undefined
  const { known } = grant
  if (known && known.from.user === user && known.from.role === role && known.from.key === key) return known.principal
  const principal = principalOf(grant, facts)
  grant.known = { from: facts, principal }
  return principal
}

function isUsable(key: KeyRecord, { keyHash, secretId }: Grant, address: string | undefined, now: number): boolean {
  if (!key.enabled || key.expiresAt <= now) return false
  if (key.allowed && address !== undefined && !key.allowed.check(...plain(address))) return false
  const isSent = (hash: string) =>
    keyHash === undefined ? secretId === undefined || secretId === secretIdOf(hash) : keyHash === hash
  return isSent(key.hash) || (key.previousHash !== null && key.previousUntil > now && isSent(key.previousHash))
}

// A socket that listens on IPv6 names the addresses of IPv4 in its own way.
function plain(address: string): [string, 'ipv4' | 'ipv6'] {
  const ipv4 = address.startsWith('::ffff:') ? address.slice(7) : address
  return ipv4.includes(':') ? [ipv4, 'ipv6'] : [ipv4, 'ipv4']
}

function principalOf(grant: Grant, { user, role, key }: AuthRecords): Principal {
  let scopes = role.scopes
  if (key) scopes = commonScopes(key.scopes, scopes)
  if (grant.scopes) scopes = commonScopes(grant.scopes, scopes)
  return {
    userId: user.id,
    role: user.role,
    scopes,
    sessionId: grant.sessionId,
    keyId: key?.id,
    isFull: !key && !grant.scopes,
    tier: key?.tier ?? undefined
  }
}
