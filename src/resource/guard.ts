import type { FastifyRequest } from 'fastify'
import { causeOf } from '../events/cause.ts'
import { inTransaction } from '../http/change-context.ts'
import type { Principal } from '../identity/principal.ts'
import type { ResourceContext } from './context.ts'
import type { Touched } from './declaration.ts'

/**
 * Makes a change of one row if the guard of the resource, where it has one, does not refuse it. Both are one transaction,
 * so that what the guard saw and locked still holds when the change is made.
 * @throws ApiError what the guard throws.
 */
export async function guarded<T>(
  context: ResourceContext,
  request: FastifyRequest,
  { id, body }: Touched,
  make: (on: ResourceContext) => Promise<T>
): Promise<T> {
  const { guard } = context.resource.declaration
  if (!guard) return make(context)
  return context.db.transaction(async (tx) => {
    // The id has the database's spelling, or the guard would take it for the id of another row.
    const item = { id: id?.toLowerCase(), body }
    const judge = await guard({
      db: tx,
      principal: request.principal as Principal,
      cause: causeOf(request),
      items: [item]
    })
    judge(item)
    return make(inTransaction(context, tx))
  })
}
