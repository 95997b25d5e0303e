import type { BlockList } from 'node:net'
import { secretIdOf } from '../api-keys/key-format.ts'
import type { Principal } from '../principal.ts'
import { commonScopes } from '../scopes.ts'

/** The content of a credential with a valid signature or checksum. The database says whether it still counts. */
export interface Grant {
  /** The user that it acts for; undefined for a key, where only the database knows it. */
  userId?: string
  /** The upper bound of its scopes; undefined for all scopes of the role or the key. */
  scopes?: ReadonlySet<string>
  sessionId?: string
  keyId?: string
  /** The hash of the key; undefined for a token that a key was exchanged for. */
  keyHash?: string
  /** For a token that a key was exchanged for: the secret that was sent, as `secretIdOf` names it. */
  secretId?: string
  /** For a token that can be revoked by itself. */
  tokenId?: string
  /** In milliseconds since 1970. */
  expiresAt?: number
  /** The last principal of the grant, and the database records that it was made from. */
  known?: { from: AuthRecords; principal: Principal }
}

/** The columns of a user that requests depend on. */
export interface UserRecord {
  id: string
  role: string
  active: boolean
}

/** The columns of a role that requests depend on. */
export interface RoleRecord {
  scopes: ReadonlySet<string>
}

/** The columns of a login that requests depend on. */
export interface SessionRecord {
  userId: string
  isRevoked: boolean
}

/** The columns of a key that requests depend on. Times in milliseconds since 1970. */
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

/** The database records of a grant: undefined where the grant has no such record. */
export interface AuthRecords {
  user: UserRecord
  role: RoleRecord
  session?: SessionRecord | undefined
  key?: KeyRecord | undefined
  token?: { isRevoked: boolean } | undefined
}

/**
 * The principal of a grant by its database records; undefined when the grant is no longer valid.
 * @param address the client's address; undefined where it does not matter.
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

// A socket that listens on IPv6 writes IPv4 addresses as `::ffff:…`.
function plain(address: string): [string, 'ipv4' | 'ipv6'] {
  const ipv4 = address.startsWith('::ffff:') ? address.slice(7) : address
  return ipv4.includes(':') ? [ipv4, 'ipv6'] : [ipv4, 'ipv4']
}

function principalOf(grant: Grant, { user, role, key }: AuthRecords): Principal {
  let scopes = role.scopes
  if (key) scopes = commonScopes(key.scopes, scopes)
  if (grant.scopes) scopes = commonScopes(grant.scopes, scopes)
  const expiresAt = Math.min(grant.expiresAt ?? Infinity, key?.expiresAt ?? Infinity)
  return {
    userId: user.id,
    role: user.role,
    scopes,
    sessionId: grant.sessionId,
    keyId: key?.id,
    isFull: !key && !grant.scopes,
    tier: key?.tier ?? undefined,
    expiresAt: expiresAt === Infinity ? undefined : expiresAt
  }
}
