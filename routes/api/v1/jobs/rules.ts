import type { FastifyInstance } from 'fastify'
import type { Transaction } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import type { JobStorage, StoredJob } from '#src/jobs/storage.ts'
import type { Call } from '#src/resource/declaration.ts'
import { assertMayKnow } from './outcome.ts'

/** Ends a job that is queued or runs. @throws ApiError NOT_FOUND; INVALID_TRANSITION for one that has ended. */
export const cancelJob = (storage: JobStorage) => (call: Call) =>
  step(storage, call, 'cancelled', (tx, { name, id }) => storage.cancel(tx, name, id))

/**
 * Queues a job that failed or was cancelled once more.
 * @throws ApiError NOT_FOUND; FORBIDDEN for a caller that could not ask for it; INVALID_TRANSITION for any other.
 */
export const retryJob = (app: FastifyInstance) => (call: Call) => {
  const { storage } = app.jobs
  return step(storage, call, 'tried again', async (tx, { id }) => {
    assertMayKnow(app, call.principal, (await storage.asked([id], tx)).get(id))
    return storage.retry(tx, id)
  })
}

function step(
  storage: JobStorage,
  { db, id, ownerId }: Call,
  done: string,
  run: (tx: Transaction, job: StoredJob) => Promise<boolean>
): Promise<{ id: string }> {
  return db.transaction(async (tx) => {
    const job = await storage.lock(tx, id, ownerId)
    if (!job) throw new ApiError('NOT_FOUND', 'There is no Job with this id.')
    if (await run(tx, job)) return { id }
    throw new ApiError('INVALID_TRANSITION', `A job that is ${job.state} cannot be ${done}.`, {
      facts: { state: job.state }
    })
  })
}
