import type { Static, TSchema } from '@sinclair/typebox'
import { v7 } from 'uuid'
import { currentScope } from '#src/concurrency/request-scope.ts'
import type { Database, Transaction } from '#src/db/database.ts'
import { compileValidator } from '#src/schema/validate.ts'
import { JobFiles } from './files.ts'
import type { AnyJob, JobDefinition } from './job.ts'
import { nextTime } from './schedule.ts'
import { JobStorage } from './storage.ts'

/** How a job is sent. */
export interface SendOptions {
  /** Sent in this transaction: rolled back, never sent. Needed inside of one, as a statement beside it may wait for ever. */
  tx?: Transaction | undefined
  /** Not before: a time, or so many seconds from now. */
  startAfter?: Date | number | undefined
  /** Jobs of one name and key are one for as long as the job's `uniqueUntil` says. */
  key?: string | undefined
  /** In place of the definition's. */
  priority?: number | undefined
  /** The user that sees the job under `/jobs`. */
  ownerId?: string | undefined
  /** The request that it is sent for. */
  requestId?: string | undefined
  /** The name that it is shown with under `/jobs`; the job's own when left out. */
  title?: string | undefined
  /** The id, a UUIDv7 made before; jobs that files belong to need it. */
  id?: string | undefined
}

/** The jobs of an application: what there is, and a way to send them. They run elsewhere, or in `Worker`. */
export class Jobs {
  readonly storage: JobStorage
  readonly files: JobFiles
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly #validators = new Map<string, ReturnType<typeof compileValidator>>()

  /** @throws when two jobs have one name, or one names a dead letter that is none. */
  constructor(db: Database, definitions: AnyJob[]) {
    this.storage = new JobStorage(db)
    this.files = new JobFiles(db)
    this.definitions = byName(definitions)
    for (const { name, input } of definitions) this.#validators.set(name, compileValidator(input as never, 'body'))
  }

  /** Makes the queues. */
  async open(): Promise<void> {
    await this.storage.open([...this.definitions.values()])
  }

  /**
   * Sends a job. It is committed with the transaction, or by itself, and then runs once, or again after a failure.
   * @returns its id; with a key, of the job that has it already.
   * @throws ApiError VALIDATION_FAILED when the input does not fit the schema. @throws when there is no such job.
   */
  async send<S extends TSchema>(job: JobDefinition<S>, input: Static<S>, options: SendOptions = {}): Promise<string> {
    this.check(job.name, input)
    const { tx, startAfter, key, title, ownerId = null, requestId = null } = options
    const payload = { input, title, ownerId, requestId, traceparent: traceparentOfScope() }
    const sending = {
      id: options.id ?? v7(),
      payload,
      key,
      priority: options.priority ?? job.priority ?? 0,
      startAfter: typeof startAfter === 'number' ? new Date(Date.now() + startAfter * 1000) : startAfter
    }
    return this.storage.send(job as unknown as AnyJob, sending, tx)
  }

  /** @throws ApiError VALIDATION_FAILED for an input that does not fit. @throws for a name that no job has. */
  check(name: string, input: unknown): void {
    const validate = this.#validators.get(name)
    if (!validate) throw new Error(`there is no job ${name}: its file must be named <name>.job.ts`)
    const result = validate(input)
    if (result !== true) throw result.error
  }

  /** Queues the next run of a scheduled job. Processes that do so at once queue one. @param after the last run. */
  async sendNext(job: AnyJob, after: Date): Promise<void> {
    const { schedule, priority = 0 } = job
    if (!schedule) return
    const startAfter = nextTime(schedule, after)
    const scheduledFor = startAfter.toISOString()
    const payload = { input: schedule.input, ownerId: null, requestId: null, traceparent: null, scheduledFor }
    await this.storage.send(job, { id: v7(), payload, key: `scheduled ${scheduledFor}`, priority, startAfter })
  }
}

function byName(definitions: AnyJob[]): Map<string, AnyJob> {
  const found = new Map<string, AnyJob>()
  for (const job of definitions) {
    if (found.has(job.name)) throw new Error(`two jobs have the name ${job.name}`)
    found.set(job.name, job)
  }
  for (const { name, deadLetter } of definitions) {
    if (deadLetter !== undefined && !found.has(deadLetter)) throw new Error(`${name}: there is no job ${deadLetter}`)
  }
  return found
}

// A handler continues the trace of the request that sent its job.
function traceparentOfScope(): string | null {
  const { traceparent } = currentScope()?.headers ?? {}
  return typeof traceparent === 'string' ? traceparent : null
}
