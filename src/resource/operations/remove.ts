import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { IdParams, IfMatch, NoContent } from '../../http/schemas.ts'
import { guarded } from '../guard.ts'
import type { MakeRoute } from '../route.ts'
import { isOne, oneOf, refuseOne } from '../rows/target.ts'

/** `DELETE /:id`. */
export const removeRoute: MakeRoute = ({ resource }) => ({
  method: 'DELETE',
  url: '/:id',
  access: 'delete',
  schema: {
    summary: `Delete ${resource.noun}`,
    description: 'What others still refer to is 409. With `If-Match` only the version that was read is deleted.',
    params: IdParams,
    headers: IfMatch,
    response: { 204: NoContent }
  },
  async change(request) {
    const one = oneOf(request, resource)
    return async (on) => {
      await guarded(on, request, { id: one.id }, async (inner) => {
        if (await inner.batched?.remove(one)) return
        const { id } = resource.columns
        const removed = await inner.db
          .delete(resource.table)
          .where(isOne(inner, one))
          .returning({ id: id as AnyPgColumn })
        if (removed.length === 0) await refuseOne(inner, one)
      })
      return { status: 204, headers: {} }
    }
  }
})
