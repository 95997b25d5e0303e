import { assertCanGrant, insufficientScope } from '#src/identity/access.ts'
import { canSeeAllRows } from '#src/identity/principal.ts'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import type { Declaration, GuardCall, Touched } from '#src/resource/declaration.ts'
import { ApiKey } from './schema.ts'

/** API keys, each its maker's; holders of `api-keys:*` see all. Making one is the route's own: it shows the key. */
export const apiKeysResource = {
  schema: ApiKey,
  table: apiKeys,
  owner: 'userId',
  access: { read: 'api-keys:read', write: 'api-keys:write', delete: 'api-keys:delete' },
  list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
  operations: { create: false },
  guard: guardKeys,
  changed: ({ identity }) => identity.principals.catchUp()
} satisfies Declaration<typeof ApiKey>

interface Sent {
  scopes?: string[]
  tier?: string | null
}

// Nobody gives a key what they do not have, nor a faster lane than everybody's.
async function guardKeys({ principal }: GuardCall): Promise<(item: Touched) => void> {
  return function judge({ body }) {
    const { scopes = [], tier } = (body ?? {}) as Sent
    assertCanGrant(principal, scopes)
    const isFaster = tier !== undefined && tier !== null && tier !== 'standard'
    if (isFaster && !canSeeAllRows(principal, 'api-keys')) throw insufficientScope('api-keys:*')
  }
}
