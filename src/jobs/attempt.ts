import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { runInScope, runUncancellable } from '#src/concurrency/request-scope.ts'
import { unlessAborted } from '#src/concurrency/unless-aborted.ts'
import { ApiError, type Fault } from '#src/errors.ts'
import { type AnyJob, type JobContext, JobEnded, JobFailed, RetryLater } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { Attempt } from './storage.ts'

interface AttemptParts {
  app: FastifyInstance
  jobs: Jobs
  log: FastifyBaseLogger
  job: AnyJob
  attempt: Attempt
  abort: AbortController
  /** Whether the process ends: what fails then is given back, and counts for nothing. */
  isClosed: () => boolean
}

const DEFAULT_TIMEOUT_SECONDS = 900
// The end of a job is written although the database is away for a while. A process that ends meanwhile leaves the job to a
// further attempt.
const WRITE_PAUSE_MS = 500
const PROGRESS_EVERY_MS = 1000

/** How an attempt ended: `left` is one that was cancelled, or given back since its process ends. */
export type AttemptOutcome = 'done' | 'failed' | 'left'

/** Makes one attempt at a job, and writes how it ended. Never rejects. */
export async function runAttempt(parts: AttemptParts): Promise<AttemptOutcome> {
  const { app, jobs, job, attempt, abort, isClosed } = parts
  const { timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = job
  let outcome: AttemptOutcome = 'left'
  const log = parts.log.child({ job: job.name, jobId: attempt.id, attempt: attempt.number })
  const timer = setTimeout(
    () => abort.abort(new ApiError('DEADLINE_EXCEEDED', `An attempt may take ${timeoutSeconds} s.`)),
    timeoutSeconds * 1000
  )
  const { input, requestId, traceparent, scheduledFor } = attempt.payload
  const context = makeContext(parts, log)
  // Its statements are given up when it is cancelled, and calls that it makes continue the trace of its request.
  const scope = {
    socket: {
      get destroyed() {
        return abort.signal.aborted
      }
    },
    endsAt: Number.POSITIVE_INFINITY,
    headers: { ...(traceparent !== null && { traceparent }), ...(requestId !== null && { 'x-request-id': requestId }) }
  }
  try {
    if (scheduledFor !== undefined) await jobs.sendNext(job, new Date(Math.max(Date.now(), Date.parse(scheduledFor))))
    jobs.check(job.name, input)
    context.checkpoint = await jobs.storage.checkpoint(attempt.id)
    const result = await runInScope(scope, async () =>
      unlessAborted(abort.signal, job.handle(app, input as never, context))
    )
    await context.flush()
    if (!context.isFinished) await persist(log, () => jobs.storage.complete(attempt, result))
    outcome = 'done'
  } catch (error) {
    if (!(error instanceof JobEnded || context.isFinished || isClosed())) {
      log.warn({ err: error }, 'a job failed')
      const { reason } = abort.signal
      await persist(log, () => jobs.storage.fail(attempt, describe(reason ?? error), pauseOf(job, attempt, error)))
      outcome = 'failed'
    }
  } finally {
    clearTimeout(timer)
  }
  return outcome
}

function makeContext({ jobs, attempt, abort }: AttemptParts, log: FastifyBaseLogger) {
  const { ownerId, requestId } = attempt.payload
  const { storage } = jobs
  let writtenAt = -Infinity
  let pending: (() => Promise<void>) | undefined
  const context = {
    id: attempt.id,
    attempt: attempt.number,
    ownerId,
    requestId,
    signal: abort.signal,
    log,
    checkpoint: null as unknown,
    isFinished: false as boolean,
    async progress(done, total = null, { tx, checkpoint } = {}) {
      pending = undefined
      if (tx) return storage.progress(attempt, done, total, checkpoint, tx)
      const write = () => storage.progress(attempt, done, total, checkpoint)
      const now = performance.now()
      // A handler may tell it for each of a million rows.
      if (checkpoint === undefined && now - writtenAt < PROGRESS_EVERY_MS) {
        pending = write
        return
      }
      writtenAt = now
      await write()
    },
    async flush() {
      await pending?.()
    },
    async finish(tx, result) {
      await storage.completeIn(tx, attempt, result)
      context.isFinished = true
    }
  } satisfies JobContext & { isFinished: boolean; flush(): Promise<void> }
  return context
}

async function persist(log: FastifyBaseLogger, write: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await runUncancellable(write)
    } catch (err) {
      log.warn({ err }, 'the end of a job cannot be written')
      await sleep(WRITE_PAUSE_MS, undefined, { ref: false })
    }
  }
}

// A message of another error may hold what the owner of the job is not to see.
function describe(error: unknown): { code: string; message: string; details: Fault[] } {
  if (error instanceof ApiError) return { code: error.code, message: error.message, details: error.faults }
  const isOwn = error instanceof JobFailed || error instanceof RetryLater
  const message = isOwn ? error.message : 'Something failed on our side. The id of the job finds it in the logs.'
  return { code: isOwn ? 'JOB_FAILED' : 'INTERNAL', message, details: [] }
}

// The same input would be refused again; 429 alone says that it may not be.
const isRefusal = (error: unknown) =>
  error instanceof ApiError && error.statusCode < 500 && error.code !== 'TOO_MANY_REQUESTS'

function pauseOf({ retry }: AnyJob, { number }: Attempt, error: unknown): number | 'never' | undefined {
  if (error instanceof JobFailed || isRefusal(error)) return 'never'
  if (error instanceof RetryLater) return error.delaySeconds
  const { delaysSeconds } = retry ?? {}
  const delay = delaysSeconds?.[Math.min(number, delaysSeconds.length) - 1]
  return delay === undefined ? undefined : delay * (1 + Math.random() / 10)
}
