import { BlockList, isIPv6 } from 'node:net'
import { eq } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { apiKeys } from '../tables/api-keys.ts'
import { revokedTokens } from '../tables/revoked-tokens.ts'
import { roles } from '../tables/roles.ts'
import { sessions } from '../tables/sessions.ts'
import { users } from '../tables/users.ts'
import type { AuthRecords, KeyRecord, RoleRecord, SessionRecord, UserRecord } from './grant.ts'

/** Reads a user. */
export async function findUser(db: Database, id: string): Promise<UserRecord | undefined> {
  const { role, active } = users
  const [row] = await db.select({ id: users.id, role, active }).from(users).where(eq(users.id, id))
  return row
}

/** Reads a user with its role, in the transaction that may just have made it. */
export async function findUserAndRole(db: Database, id: string): Promise<AuthRecords | undefined> {
  const { role, active } = users
  const [row] = await db
    .select({ id: users.id, role, active, scopes: roles.scopes })
    .from(users)
    .innerJoin(roles, eq(roles.name, role))
    .where(eq(users.id, id))
  return row && { user: row, role: { scopes: new Set(row.scopes) } }
}

/** Reads a role by its name. */
export async function findRole(db: Database, name: string): Promise<RoleRecord | undefined> {
  const [row] = await db.select({ scopes: roles.scopes }).from(roles).where(eq(roles.name, name))
  return row && { scopes: new Set(row.scopes) }
}

/** Reads a login. Access tokens expire before it does, so only its revocation counts. */
export async function findSession(db: Database, id: string): Promise<SessionRecord | undefined> {
  const { userId, revokedAt } = sessions
  const [row] = await db.select({ userId, revokedAt }).from(sessions).where(eq(sessions.id, id))
  return row && { userId: row.userId, isRevoked: row.revokedAt !== null }
}

/** Reads whether a single access token was revoked. */
export async function findToken(db: Database, jti: string): Promise<{ isRevoked: boolean }> {
  const [row] = await db.select({ jti: revokedTokens.jti }).from(revokedTokens).where(eq(revokedTokens.jti, jti))
  return { isRevoked: row !== undefined }
}

/** Reads a key. */
export async function findKey(db: Database, id: string): Promise<KeyRecord | undefined> {
  const [row] = await db.select().from(apiKeys).where(eq(apiKeys.id, id))
  return (
    row && {
      id,
      userId: row.userId,
      hash: row.hash,
      previousHash: row.previousHash,
      previousUntil: row.previousUntil === null ? 0 : Date.parse(row.previousUntil),
      scopes: new Set(row.scopes),
      expiresAt: row.expiresAt === null ? Infinity : Date.parse(row.expiresAt),
      allowed: row.allowedCidrs === null ? undefined : allowList(row.allowedCidrs),
      tier: row.tier,
      enabled: row.enabled
    }
  )
}

/** The addresses and networks of an allow-list, to check an address against. @throws for any other text. */
function allowList(cidrs: string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address, bits] = cidr.split('/') as [string, string?]
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
