import { apiKeys } from '#src/identity/tables/api-keys.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { normalizeNetwork } from '#src/schema/networks.ts'
import { type KeyVocabulary, makeKeyGuard } from './guard.ts'
import { ApiKey } from './schema.ts'

/** API keys, owned by their makers; holders of `api-keys:*` see all. A route of its own makes one: it shows the key. */
export const apiKeysResource = (vocabulary: KeyVocabulary) =>
  ({
    schema: ApiKey,
    table: apiKeys,
    owner: 'userId',
    access: { read: 'api-keys:read', write: 'api-keys:write', delete: 'api-keys:delete' },
    list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
    transform: { allowedCidrs: normalizeNetworks },
    operations: { create: false },
    guard: makeKeyGuard(vocabulary),
    changed: ({ identity }) => identity.principals.catchUp()
  }) satisfies Declaration<typeof ApiKey, typeof apiKeys>

/** Networks in the one spelling that is stored. */
export const normalizeNetworks = <T extends string[] | null | undefined>(networks: T) =>
  networks?.map(normalizeNetwork) ?? networks
