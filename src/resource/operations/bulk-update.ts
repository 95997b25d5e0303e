import { Type } from '@sinclair/typebox'
import { documentedAs } from '../../schema/fields.ts'
import type { Asked } from '../asked.ts'
import { BULK_BODY_LIMIT, BulkAnswer, BulkQuery, bulkChange, listBody } from '../bulk/bulk.ts'
import { keysOf } from '../bulk/constraints.ts'
import { patchItem, preparePatch } from '../bulk/prepare.ts'
import { withCause } from '../bulk/settle.ts'
import { changeMany } from '../bulk/update-many.ts'
import { withGuard } from '../bulk/with-guard.ts'
import { withRules } from '../bulk/with-rules.ts'
import { causeIn } from '../caused.ts'
import { changeAsJob } from '../respond-async/run-change.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'

/** `PATCH /bulk`: up to 1,000 rows changed by their ids in one statement, each in its own way. */
export const bulkUpdateRoute: MakeRoute = (context) => {
  const { resource } = context
  const keys = keysOf(resource)
  const prepare = preparePatch(resource)
  async function change(asked: Asked) {
    const ownerId = ownerOf(asked, resource)
    const changes = withRules(resource, ownerId, changeMany({ resource, keys, ownerId }))
    const write = withCause(causeIn(asked, resource), changes)
    return bulkChange(asked, {
      resource,
      bodies: (asked.body as { items: unknown[] }).items,
      path: '/items',
      prepare,
      write: withGuard(resource, asked, ({ body, columns }) => ({ id: columns.id as string, body }), write),
      identity: { of: ({ columns }) => columns.id, path: '/id' }
    })
  }
  return {
    method: 'PATCH',
    url: '/bulk',
    access: 'write',
    bodyLimit: BULK_BODY_LIMIT,
    errors: [404],
    schema: {
      summary: `Change many ${resource.name}`,
      description: 'Up to 1,000 in one statement: each item names its row by `id`, and what it names is changed.',
      querystring: BulkQuery,
      body: listBody('items', documentedAs(Type.Unknown(), patchItem(resource))),
      response: { 200: BulkAnswer }
    },
    change,
    asJob: changeAsJob(context, change, 'items')
  }
}
