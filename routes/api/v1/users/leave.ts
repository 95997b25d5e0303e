import type { FastifyInstance } from 'fastify'
import { guardUsers } from '#routes/api/v1/users/guard.ts'
import type { Transaction } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { type Cause, setCause } from '#src/events/cause.ts'
import type { Guard, Touched } from '#src/resource/declaration.ts'
import type { Resource } from '#src/resource/model.ts'
import { releaseOwnedRows } from '#src/resource/operations/leave.ts'

/** All resources of an application that is ready. */
export const resourcesOf = ({ routeTable }: FastifyInstance): Set<Resource> =>
  new Set(routeTable.flatMap(({ config }) => config?.resource ?? []))

/** Releases what users own, in the transaction that deletes them. @param cause for the events of these changes. */
export async function letGo(tx: Transaction, ids: string[], cause: Cause, resources: Set<Resource>): Promise<void> {
  await setCause(tx, cause)
  await releaseOwnedRows(tx, ids, resources)
}

/** The guard of users, which also releases what users own that are deleted after it. */
export const guardAndLetGo =
  (app: FastifyInstance): Guard =>
  async (call) => {
    const check = await guardUsers(call)
    const leaving = call.items.filter((item) => item.body === undefined && isAllowed(check, item))
    const ids = leaving.map(({ id }) => id as string)
    if (ids.length > 0) await letGo(call.db, ids, call.cause, resourcesOf(app))
    return check
  }

function isAllowed(check: (item: Touched) => void, item: Touched): boolean {
  try {
    check(item)
    return true
  } catch (error) {
    /* c8 ignore next -- a guard that is broken fails the request */
    if (!(error instanceof ApiError)) throw error
    return false
  }
}
