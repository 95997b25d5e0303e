import { Type } from '@sinclair/typebox'
import { documentedAs } from '../../schema/fields.ts'
import type { Asked } from '../asked.ts'
import { BulkAnswer, BulkQuery, bulkChange, listBody } from '../bulk/bulk.ts'
import { prepareId } from '../bulk/prepare.ts'
import { withCause } from '../bulk/settle.ts'
import { removeMany } from '../bulk/update-many.ts'
import { withGuard } from '../bulk/with-guard.ts'
import { causeIn } from '../caused.ts'
import { changeAsJob } from '../respond-async/run-change.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'

const Id = Type.String({ format: 'uuid', description: 'The row to delete.' })

/** `DELETE /bulk`: up to 1,000 rows deleted by their ids in one statement. */
export const bulkRemoveRoute: MakeRoute = (context) => {
  const { resource } = context
  const prepare = prepareId(Id)
  async function change(asked: Asked) {
    const write = withCause(causeIn(asked, resource), removeMany({ resource, ownerId: ownerOf(asked, resource) }))
    return bulkChange(asked, {
      resource,
      bodies: (asked.body as { ids: unknown[] }).ids,
      path: '/ids',
      prepare,
      write: withGuard(resource, asked, (id) => ({ id }), write),
      identity: { of: (id) => id, path: '' }
    })
  }
  return {
    method: 'DELETE',
    url: '/bulk',
    access: 'delete',
    errors: [404],
    schema: {
      summary: `Delete many ${resource.name}`,
      description: 'Up to 1,000 in one statement, by their ids.',
      querystring: BulkQuery,
      body: listBody('ids', documentedAs(Type.Unknown(), Id)),
      response: { 200: BulkAnswer }
    },
    change,
    asJob: changeAsJob(context, change, 'ids')
  }
}
