import { Type } from '@sinclair/typebox'
import { documentedAs } from '../../schema/fields.ts'
import { BULK_BODY_LIMIT, BulkAnswer, BulkQuery, bulkChange, listBody } from '../bulk/bulk.ts'
import { type Keys, keysOf } from '../bulk/constraints.ts'
import type { OnConflict } from '../bulk/insert-many.ts'
import { prepareCreate } from '../bulk/prepare.ts'
import { insertGuarded } from '../bulk/with-guard.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'

/** `POST /bulk`: up to 1,000 new rows in one statement. */
export const bulkCreateRoute: MakeRoute = (context) => {
  const { resource } = context
  const keys = keysOf(resource)
  const prepare = prepareCreate(resource)
  return {
    method: 'POST',
    url: '/bulk',
    access: 'write',
    bodyLimit: BULK_BODY_LIMIT,
    schema: {
      summary: `Create many ${resource.name}`,
      description: 'Up to 1,000 in one statement, with one result for each.',
      querystring: BulkQuery,
      body: listBody('items', documentedAs(Type.Unknown(), resource.variants.Create), {
        onConflict: onConflictSchema(keys)
      }),
      response: { 200: BulkAnswer }
    },
    async change(request) {
      const { items, onConflict } = request.body as { items: unknown[]; onConflict: OnConflict }
      return bulkChange(request, {
        resource,
        bodies: items,
        path: '/items',
        prepare: prepare(request.principal?.userId),
        write: insertGuarded({ resource, keys, onConflict, ownerId: ownerOf(request, resource) }, request.principal)
      })
    }
  }
}

/** The choice of what becomes of items whose key is taken; `update` where there is a key to find the row by. */
export function onConflictSchema({ upsert }: Keys) {
  const update =
    upsert && `\`update\`: the stored row with the same \`${upsert.fault.path.slice(1)}\` gets all fields of the item.`
  return Type.Unsafe<OnConflict>({
    type: 'string',
    enum: ['fail', 'skip', ...(upsert ? ['update'] : [])],
    default: 'fail',
    description: ['`fail`: an item whose unique value is taken is refused. `skip`: it is passed over.', update]
      .filter(Boolean)
      .join(' ')
  })
}
