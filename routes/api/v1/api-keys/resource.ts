import { apiKeys } from '#src/db/tables/api-keys.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { ApiKey } from './schema.ts'

/** API keys, each its maker's; holders of `api-keys:*` see all. Making one is the route's own: it shows the key. */
export const apiKeysResource = {
  schema: ApiKey,
  table: apiKeys,
  owner: 'userId',
  access: { read: 'api-keys:read', write: 'api-keys:write', delete: 'api-keys:delete' },
  list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
  operations: { create: false, bulkUpdate: false, bulkRemove: false }
} satisfies Declaration<typeof ApiKey>
