import { and, eq, inArray } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { ApiError, validationFailed } from '#src/errors.ts'
import { assertCanGrant, insufficientScope } from '#src/identity/access.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { unknownScopes } from '#src/identity/scopes.ts'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { users } from '#src/identity/tables/users.ts'
import { isWithinTier, STANDARD, type Tiers } from '#src/limits/tiers.ts'
import type { Guard, GuardCall } from '#src/resource/declaration.ts'
import { contains, type Network, parseNetwork } from '#src/schema/networks.ts'

/** The values that a key can be given. */
export interface KeyVocabulary {
  scopes: ReadonlySet<string>
  tiers: Tiers
}

/** The fields of a key that define its rights. */
interface KeyPowers {
  scopes: string[]
  expiresAt: string | null
  allowedCidrs: string[] | null
  tier: string | null
}

type Sent = Partial<KeyPowers> & { enabled?: boolean }

const { id, scopes, expiresAt, allowedCidrs, tier, userId } = apiKeys
const powers = { id, scopes, expiresAt, allowedCidrs, tier }

/**
 * Refuses unknown values, and values that would give a key more rights than its maker. The key after the change counts,
 * so that a key cannot extend one that it could not have made.
 */
export function makeKeyGuard(vocabulary: KeyVocabulary): Guard {
  return async function guardKeys({ db, principal, items }: GuardCall) {
    const own = await ownPowers(db, principal)
    const stored = await ownKeys(
      db,
      principal,
      items.flatMap((item) => item.id ?? [])
    )
    return function check({ id, body }) {
      const sent = (body ?? {}) as Sent
      assertKnown(vocabulary, sent)
      assertMayGiveTier(vocabulary, principal, own, sent.tier)
      if (isHarmless(sent)) return
      const before = id === undefined ? undefined : stored.get(id)
      assertWithin(vocabulary, principal, own, { ...before, ...sent })
    }
  }
}

/**
 * Refuses to show the secret of a key to callers that may not act for its owner: they need the rights to set the
 * owner's password.
 * @throws ApiError FORBIDDEN naming the missing scope.
 */
export async function assertMaySeeSecret(
  vocabulary: KeyVocabulary,
  db: Database,
  principal: Principal,
  key: KeyPowers & { userId: string }
): Promise<void> {
  assertWithin(vocabulary, principal, await ownPowers(db, principal), key)
  if (key.userId === principal.userId) return
  assertCanGrant(principal, ['users:write'])
  const [owner] = await db
    .select({ scopes: roles.scopes })
    .from(users)
    .innerJoin(roles, eq(roles.name, users.role))
    .where(eq(users.id, key.userId))
    .for('share')
  assertCanGrant(principal, (owner as { scopes: string[] }).scopes)
}

// Read in the transaction of the change, because the caller's key may just have been narrowed. Undefined for a login.
async function ownPowers(db: Database, { keyId }: Principal): Promise<KeyPowers | undefined> {
  if (keyId === undefined) return undefined
  const [own] = await db.select(powers).from(apiKeys).where(eq(id, keyId)).for('share')
  if (!own) throw new ApiError('UNAUTHENTICATED', 'The key that asks was revoked.')
  return own
}

// Only the caller's own: a refusal must not tell whether a key of another user exists.
async function ownKeys(db: Database, principal: Principal, ids: string[]): Promise<Map<string, KeyPowers>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .select(powers)
    .from(apiKeys)
    .where(and(inArray(id, ids), eq(userId, principal.userId)))
    .orderBy(id)
    .for('update')
  return new Map(rows.map((row) => [row.id, row]))
}

// A caller that may change a key may always rename it and switch it off.
const isHarmless = ({ scopes, expiresAt, allowedCidrs, tier, enabled }: Sent) =>
  [scopes, expiresAt, allowedCidrs, tier].every((one) => one === undefined) && enabled !== true

function assertKnown({ scopes, tiers }: KeyVocabulary, sent: Sent): void {
  const faults = unknownScopes(sent.scopes ?? [], scopes)
  if (typeof sent.tier === 'string' && !tiers.has(sent.tier)) {
    const message = `is none: there are ${[...tiers.keys()].join(', ')}`
    faults.push({ in: 'body', path: '/tier', code: 'unknown', message })
  }
  if (typeof sent.expiresAt === 'string' && Date.parse(sent.expiresAt) <= Date.now())
    faults.push({ in: 'body', path: '/expiresAt', code: 'past', message: 'must be in the future' })
  if (faults.length > 0) throw validationFailed(faults)
}

// A login that administers keys gives any tier; a key gives none that is faster than its own.
function assertMayGiveTier(
  { tiers }: KeyVocabulary,
  principal: Principal,
  own: KeyPowers | undefined,
  tier: string | null | undefined
): void {
  if (own || tier === undefined || canSeeAllRows(principal, 'api-keys')) return
  if (!isWithinTier(tiers, tier ?? STANDARD, STANDARD)) throw insufficientScope('api-keys:*')
}

function assertWithin(
  { tiers }: KeyVocabulary,
  principal: Principal,
  own: KeyPowers | undefined,
  key: Partial<KeyPowers>
): void {
  assertCanGrant(principal, key.scopes ?? [])
  if (!own) return
  if (own.expiresAt !== null && !(key.expiresAt && Date.parse(key.expiresAt) <= Date.parse(own.expiresAt)))
    throw moreThanOwn('expiresAt', `ends at ${own.expiresAt}`)
  if (own.allowedCidrs && !areWithin(key.allowedCidrs, own.allowedCidrs))
    throw moreThanOwn('allowedCidrs', `is used from ${own.allowedCidrs.join(', ')} only`)
  if (!isWithinTier(tiers, key.tier ?? STANDARD, own.tier ?? STANDARD))
    throw moreThanOwn('tier', `has the tier ${own.tier ?? STANDARD}`)
}

function areWithin(inner: string[] | null | undefined, outer: string[]): boolean {
  const allowed = outer.map(parseNetwork) as Network[]
  return inner?.every((one) => allowed.some((network) => contains(network, parseNetwork(one) as Network))) ?? false
}

const moreThanOwn = (field: string, limit: string) =>
  new ApiError('FORBIDDEN', `A key is never more than the one that makes or changes it, which ${limit}.`, {
    facts: { field }
  })
