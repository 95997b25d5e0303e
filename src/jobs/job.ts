import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Transaction } from '#src/db/database.ts'

/** How often a failed job is tried again, and when. */
export interface Retry {
  /** The number of attempts after the first; 2 when left out, or as many as there are delays. */
  limit?: number
  /** The pause before the first retry, doubled for each further one, with jitter; 1 s when left out. */
  delaySeconds?: number
  /** The longest pause; 15 minutes when left out. */
  maxDelaySeconds?: number
  /** The pauses themselves, in place of doubled ones; each with up to 10 % more as jitter. */
  delaysSeconds?: readonly number[]
}

/** When a job is run by itself. */
export interface Schedule<Input> {
  /** Five fields, or six with seconds: `0 3 * * *`. */
  cron: string
  /** An IANA time zone; UTC when left out. */
  timeZone?: string
  input: Input
}

/** A job, as data, and its handler: the default export of a file `<name>.job.ts`. */
export interface JobDefinition<S extends TSchema = TSchema> {
  /** Unique among all jobs: `orders.remind`. */
  name: string
  input: S
  retry?: Retry
  /** How long an attempt may take: it is aborted then, and tried again; 15 minutes when left out. */
  timeoutSeconds?: number
  schedule?: Schedule<Static<S>>
  /** How many of its kind one process runs at once; 4 when left out. */
  concurrency?: number
  /** Jobs of a higher number go first among those of one name; 0 when left out. */
  priority?: number
  /** Until when jobs with the same `key` are one: until it was done or failed (when left out), or until it is started. */
  uniqueUntil?: 'done' | 'started'
  /** For how long it is kept after its end; a week when left out. */
  keepSeconds?: number
  /** The name of a job with the same input that is sent when the last attempt failed. */
  deadLetter?: string
  /**
   * Does the work. An attempt can be cut off at any place and made again, so its effects are ones that can be repeated,
   * or are made in the transaction of `context.finish`.
   * @returns what `result` of the job shows, as JSON.
   */
  handle: (app: FastifyInstance, input: Static<S>, context: JobContext) => Promise<unknown>
}

/** What a handler is given besides its input. */
export interface JobContext {
  id: string
  /** 1 for the first attempt. */
  attempt: number
  /** The user that the job belongs to; null for one of the server's own. */
  ownerId: string | null
  /** The id of the request that sent it; null where none did. */
  requestId: string | null
  /** Aborted when the job is cancelled, takes too long, or the process ends. */
  signal: AbortSignal
  log: FastifyBaseLogger
  /** Where an earlier attempt came to, as it told `progress`; null at first. */
  checkpoint: unknown
  /**
   * Tells how far the job has come.
   * @param total null where it is not known.
   * @param more `tx`: written with the changes of a transaction. `checkpoint`: where a further attempt goes on.
   */
  progress(done: number, total?: number | null, more?: { tx?: Transaction; checkpoint?: unknown }): Promise<void>
  /**
   * Ends the job in a transaction of the handler's: what the transaction changes and the end of the job are one.
   * @throws JobEnded when this attempt is not the current one any more; the transaction is to be rolled back.
   */
  finish(tx: Transaction, result?: unknown): Promise<void>
}

/** Declares a job. */
export const defineJob = <S extends TSchema>(definition: JobDefinition<S>): JobDefinition<S> => definition

/** A job of any input, for tables of them. */
export type AnyJob = JobDefinition<never>

/** Thrown by a handler: the job is tried again at a time of its own, as long as attempts are left. */
export class RetryLater extends Error {
  override name = 'RetryLater'
  readonly delaySeconds: number

  constructor(delaySeconds: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.delaySeconds = delaySeconds
  }
}

/** Thrown by a handler: the job failed, and to try again would be of no use. */
export class JobFailed extends Error {
  override name = 'JobFailed'
}

/** The attempt is not the current one any more: the job was cancelled, or given to another process. */
export class JobEnded extends Error {
  override name = 'JobEnded'
}
