import type { FastifyInstance } from 'fastify'
import { ApiError } from '#src/errors.ts'
import { authorize, insufficientScope } from '#src/identity/access.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { allows } from '#src/identity/scopes.ts'
import type { AsyncOperation } from '#src/resource/respond-async/operation.ts'

/**
 * Whether a caller could do the operation of a job, with as many rows as by the scopes that it was asked for with.
 * @throws ApiError FORBIDDEN naming the scope that a caller lacks.
 */
export function assertCouldAsk(principal: Principal, { access, allRows }: AsyncOperation, scopes: string[]): void {
  authorize(principal, access)
  // A key of a user that sees all rows may see its own ones only.
  if (allRows && allows(new Set(scopes), allRows)) authorize(principal, allRows)
}

/**
 * The same for any job. A job of no operation is for full logins and for callers that may see all jobs.
 * @throws ApiError FORBIDDEN.
 */
export function assertMayKnow({ asyncOperations }: FastifyInstance, principal: Principal, asked: Asked): void {
  const operation = asyncOperations.get(asked?.operation ?? '')
  if (operation) assertCouldAsk(principal, operation, asked?.scopes as string[])
  else if (!principal.isFull && !canSeeAllRows(principal, 'jobs')) throw insufficientScope('jobs:*')
}

// None of a job that was deleted meanwhile.
type Asked = { operation: string | null; scopes: string[] } | undefined

interface JobRow {
  id: string
  progress: object
  result: object | null
  error: object | null
}

/** Takes the outcome from jobs of operations that their caller could not do: it tells what is in rows, and how many. */
export const withholdOutcome = (app: FastifyInstance) =>
  async function withhold(rows: JobRow[], principal: Principal | null): Promise<void> {
    if (rows.length === 0) return
    const asked = await app.jobs.storage.asked(rows.map(({ id }) => id))
    for (const row of rows)
      try {
        assertMayKnow(app, principal as Principal, asked.get(row.id))
      } catch (error) {
        /* c8 ignore next -- nothing else is thrown */
        if (!(error instanceof ApiError)) throw error
        Object.assign(row, { progress: { done: 0, total: null }, result: null, error: null })
      }
  }
