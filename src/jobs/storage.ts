import { type SQL, sql } from 'drizzle-orm'
import { fromDrizzle, PgBoss } from 'pg-boss'
import { v7 } from 'uuid'
import type { Database, Transaction } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'
import { type AnyJob, JobEnded } from './job.ts'
import { jobProgress } from './table.ts'

/** What is stored of a job besides its queue. */
export interface Payload {
  input: unknown
  /** The name that it is shown with, where that is not the job's. */
  title?: string | undefined
  ownerId: string | null
  requestId: string | null
  traceparent: string | null
  /** For a scheduled job, the time that it was meant for. */
  scheduledFor?: string
}

/** One attempt at a job. A later attempt at the same job has another `startedOn`. */
export interface Attempt {
  id: string
  name: string
  number: number
  startedOn: string
  payload: Payload
}

export interface Sending {
  id: string
  payload: Payload
  key: string | undefined
  priority: number
  startAfter: Date | undefined
}

/** A job that was asked for by its id. */
export interface StoredJob {
  id: string
  /** The name of its queue. */
  name: string
  state: string
}

/** When a queue needs attention, in milliseconds from now; null where it does not. */
export interface Due {
  name: string
  /** Until the first queued job may start. */
  startMs: number | null
  /** Until the first running job has taken too long. */
  lateMs: number | null
}

type Execute = ReturnType<typeof fromDrizzle>['executeSql']

/** The channel on which names of queues are notified, and `cancel:<id>`. A trigger of the queue's table does the first. */
export const CHANNEL = 'tenon_jobs'
export const CANCEL = 'cancel:'

const SCHEMA = 'public'
const WEEK_SECONDS = 604_800
const DAY_MS = 86_400_000
// What is accepted is not dropped for its age: pg-boss would delete what waited for two weeks.
const RETENTION_SECONDS = 315_360_000
/** An attempt that may take longer than this says every third of it that it goes on. */
export const HEARTBEAT_SECONDS = 30

/**
 * The queue. pg-boss keeps the jobs, and this gives it a database: its verbs run as single statements on connections of
 * the pool or in the caller's transaction. Its own timers are never started, since they would keep a hosted database
 * awake; waking up is up to `Worker`.
 */
export class JobStorage {
  readonly #db: Database
  readonly #boss: PgBoss
  #preloaded: Map<string, object> | undefined

  constructor(db: Database) {
    this.#db = db
    const own = through(db)
    const executeSql: Execute = async (text, values) => {
      if (!this.#preloaded) return own.executeSql(text, values)
      const [names] = values as [string | string[]]
      return { rows: Array.isArray(names) ? [this.#preloaded.get(names[0] as string)] : [] }
    }
    this.#boss = new PgBoss({ db: { executeSql }, schema: SCHEMA, migrate: false, supervise: false, schedule: false })
  }

  /** Makes the queues of jobs, or brings them up to date. */
  async open(jobs: AnyJob[]): Promise<void> {
    const known = new Map((await this.#boss.getQueues()).map((queue) => [queue.name, queue]))
    // One that another names as its dead letter comes first.
    const ordered = jobs.toSorted((a, b) => Number(a.deadLetter !== undefined) - Number(b.deadLetter !== undefined))
    let isChanged = false
    for (const job of ordered) {
      const options = optionsOf(job)
      const queue = known.get(job.name) as Record<string, unknown> | undefined
      if (!queue) {
        const text = JSON.stringify({ ...options, policy: policyOf(job) })
        await this.#db.execute(sql`select public.create_queue(${job.name}, ${text}::jsonb)`)
      } else if (Object.entries(options).some(([key, value]) => (queue[key] ?? null) !== value)) {
        await this.#boss.updateQueue(job.name, options as never)
      } else continue
      isChanged = true
    }
    const queues = isChanged ? await this.#boss.getQueues() : [...known.values()]
    await this.#warm(new Map(queues.map((queue) => [queue.name, queue])), jobs)
  }

  // pg-boss reads a queue when it first needs it, outside of the caller's transaction: on PGlite that waits for ever. The
  // database that it sees answers here from the rows that one statement has read.
  async #warm(queues: Map<string, object>, jobs: AnyJob[]): Promise<void> {
    this.#preloaded = queues
    for (const { name } of jobs) await this.#boss.findJobs(name, {})
    this.#preloaded = undefined
  }

  /** Queues a job. @returns its id; of the one that is there already when it has the same key. */
  async send(job: AnyJob, { id, payload, key, priority, startAfter }: Sending, tx?: Transaction): Promise<string> {
    const db = tx ?? this.#db
    // Among jobs without a key no two are equal.
    const singletonKey = key ?? id
    for (;;) {
      const sent = await this.#boss.send(job.name, payload, {
        id,
        singletonKey,
        priority,
        ...(startAfter && { startAfter }),
        db: through(db)
      })
      if (sent) return sent
      const [same] = await selectRaw<{ id: string }>(
        db,
        sql`select id from job_common where name = ${job.name} and singleton_key = ${singletonKey} and state <= 'active'
          order by state, created_on desc limit 1`
      )
      // None: it came to its end between the two statements.
      if (same) return same.id
    }
  }

  /** Takes jobs that are due, for this process alone. */
  async fetch(name: string, batchSize: number): Promise<Attempt[]> {
    const jobs = await this.#boss.fetch<Payload>(name, { batchSize, includeMetadata: true })
    return jobs.map(({ id, data, retryCount, startedOn }) => ({
      id,
      name,
      number: retryCount + 1,
      startedOn: startedOn as unknown as string,
      payload: data
    }))
  }

  /** Marks a job as done. Does nothing when the attempt is not the current one: the job was cancelled, or given to another. */
  async complete(attempt: Attempt, result: unknown): Promise<void> {
    await this.#db.transaction(async (tx) => {
      if (await lockAttempt(tx, attempt)) await this.#markDone(tx, attempt, result)
    })
  }

  /** The same in a transaction. @throws JobEnded when the attempt is not the current one. */
  async completeIn(tx: Transaction, attempt: Attempt, result: unknown): Promise<void> {
    if (!(await lockAttempt(tx, attempt))) throw new JobEnded('This attempt is over.')
    await this.#markDone(tx, attempt, result)
  }

  async #markDone(tx: Transaction, { name, id }: Attempt, result: unknown): Promise<void> {
    await this.#boss.complete(name, id, { value: result ?? null }, { db: through(tx) })
  }

  /**
   * Ends an attempt: the job is queued again while it has attempts left, or has failed.
   * @param delaySeconds the pause before the next attempt; pg-boss's own when undefined, and `never` for no further one.
   */
  async fail(attempt: Attempt, error: object, delaySeconds: number | 'never' | undefined): Promise<void> {
    const { name, id } = attempt
    await this.#db.transaction(async (tx) => {
      if (!(await lockAttempt(tx, attempt))) return
      if (delaySeconds === 'never') {
        await tx.execute(sql`update job_common set retry_limit = retry_count where name = ${name} and id = ${id}`)
      }
      await this.#boss.fail(name, id, { error }, { db: through(tx) })
      if (typeof delaySeconds === 'number') {
        await tx.execute(
          sql`update job_common set start_after = now() + make_interval(secs => ${delaySeconds})
            where name = ${name} and id = ${id} and state = 'retry'`
        )
      }
    })
  }

  /** Gives attempts back that this process cannot end; they do not count. */
  async handBack(attempts: Attempt[]): Promise<void> {
    for (const attempt of attempts) {
      const { name, id } = attempt
      await this.#db.transaction(async (tx) => {
        if (await lockAttempt(tx, attempt)) await handBackWhere(tx, sql`name = ${name} and id = ${id}`)
      })
    }
  }

  /** The same for all that run, where no other process can run any: those of one that died. */
  async handBackAll(): Promise<void> {
    await handBackWhere(this.#db, sql`state = 'active'`)
  }

  /** Ends the attempts that take too long, or were not heard of for too long: their process may be dead. */
  async failLate(names: string[]): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const late = await selectRaw<{ id: string; name: string }>(
        tx,
        sql`select id, name from job_common
          where state = 'active' and name in (${list(names)}) and ${lateAt} <= now() order by id for update skip locked`
      )
      for (const { id, name } of late) {
        const message = 'The attempt took too long, or its process ended.'
        const error = { code: 'DEADLINE_EXCEEDED', message, details: [] }
        await this.#boss.fail(name, id, { error }, { db: through(tx) })
      }
    })
  }

  /** Says that attempts go on. */
  async touch(name: string, ids: string[]): Promise<void> {
    await this.#boss.touch(name, ids)
  }

  /** When the queues need attention next, with one statement. */
  async due(names: string[]): Promise<Due[]> {
    const until = (moment: SQL) => sql`(extract(epoch from ${moment} - clock_timestamp()) * 1000)::double precision`
    return selectRaw<Due>(
      this.#db,
      sql`select name, ${until(sql`min(start_after) filter (where state < 'active')`)} as "startMs",
          ${until(sql`min(${lateAt}) filter (where state = 'active')`)} as "lateMs"
        from job_common where state <= 'active' and name in (${list(names)}) group by name`
    )
  }

  /** The jobs that are due or run, by name, and since when the first of those that are due waits, in seconds. */
  async load(): Promise<{ name: string; due: number; running: number; oldestSeconds: number }[]> {
    return selectRaw(
      this.#db,
      sql`select name, count(*) filter (where state < 'active')::int as due, count(*) filter (where state = 'active')::int as running,
          coalesce(extract(epoch from now() - min(start_after) filter (where state < 'active')), 0)::double precision as "oldestSeconds"
        from job_common where state <= 'active' and (state = 'active' or start_after <= now()) group by name`
    )
  }

  /** Cancels a job that is queued or runs, and aborts its attempt, wherever it runs. @returns whether there was one. */
  async cancel(tx: Transaction, name: string, id: string): Promise<boolean> {
    const { affected } = (await this.#boss.cancel(name, id, { db: through(tx) })) as { affected?: number }
    await tx.execute(sql`select pg_notify(${CHANNEL}, ${CANCEL + id})`)
    return affected === 1
  }

  /** Reads a job and locks it until the transaction ends. @param ownerId undefined for a job of any owner. */
  async lock(tx: Transaction, id: string, ownerId: string | undefined): Promise<StoredJob | undefined> {
    const [job] = await selectRaw<StoredJob>(
      tx,
      sql`select id, name, (select state from jobs where jobs.id = job_common.id) as state from job_common
        where id = ${id} and ${isOf(ownerId)} for update`
    )
    return job
  }

  /** Queues a job that failed or was cancelled for one more attempt. @returns whether there was one. */
  async retry(tx: Transaction, id: string): Promise<boolean> {
    const rows = await selectRaw(
      tx,
      sql`update job_common set state = case when started_on is null then 'created' else 'retry' end::job_state,
          retry_limit = retry_count + 1, completed_on = null, output = null, start_after = now()
        where id = ${id} and state in ('cancelled', 'failed')
        returning pg_notify(${CHANNEL}, name)`
    )
    return rows.length === 1
  }

  /** What a job that is done was given and has given. @param ownerId as for `lock`. */
  async outcome(id: string, ownerId: string | undefined): Promise<{ input: unknown; result: unknown } | undefined> {
    const [job] = await selectRaw<{ input: string; result: string }>(
      this.#db,
      sql`select (data->'input')::text as input, (output->'value')::text as result from job_common
        where id = ${id} and state = 'completed' and ${isOf(ownerId)}`
    )
    return job && { input: JSON.parse(job.input), result: JSON.parse(job.result) }
  }

  /** The operations that jobs do, each with the scopes of the request, by the ids of the jobs. */
  async asked(ids: string[], tx?: Transaction): Promise<Map<string, { operation: string | null; scopes: string[] }>> {
    const rows = await selectRaw<{ id: string; operation: string | null; scopes: string | null }>(
      tx ?? this.#db,
      sql`select id, data->'input'->>'operation' as operation, (data->'input'->'principal'->'scopes')::text as scopes
        from job_common where id in ${ids}`
    )
    return new Map(rows.map(({ id, operation, scopes }) => [id, { operation, scopes: JSON.parse(scopes ?? '[]') }]))
  }

  /** Keeps how far a job has come, unless the attempt is not the current one any more. */
  async progress(attempt: Attempt, done: number, total: number | null, checkpoint: unknown, tx?: Transaction) {
    const values = { done, total, ...(checkpoint !== undefined && { checkpoint }), updatedAt: new Date().toISOString() }
    const db = tx ?? this.#db
    if (tx && !(await lockAttempt(tx, attempt))) throw new JobEnded('This attempt is over.')
    await db
      .insert(jobProgress)
      .values({ jobId: attempt.id, ...values })
      .onConflictDoUpdate({ target: jobProgress.jobId, set: values })
  }

  /** Where an earlier attempt came to. */
  async checkpoint(id: string): Promise<unknown> {
    const [row] = await this.#db
      .select({ checkpoint: jobProgress.checkpoint })
      .from(jobProgress)
      .where(sql`${jobProgress.jobId} = ${id}`)
    return row?.checkpoint ?? null
  }

  /** Deletes the jobs that were kept for long enough, and the files that no job has, or none was sent for within a day. */
  async forgetEnded(): Promise<void> {
    await this.#db.execute(
      sql`delete from job_common where completed_on is not null
        and completed_on + deletion_seconds * interval '1 second' < now()`
    )
    await this.#db.execute(sql`delete from job_progress where not exists (select from job_common where id = job_id)`)
    // A UUIDv7 begins with its time. The file of a request that still comes has no job yet.
    const dayAgo = v7({ msecs: Date.now() - DAY_MS, seq: 0, random: new Uint8Array(16) })
    await this.#db.execute(
      sql`delete from job_files where job_id < ${dayAgo} and not exists (select from job_common where id = job_id)`
    )
  }
}

const isOf = (ownerId: string | undefined) =>
  ownerId === undefined ? sql`true` : sql`(data->>'ownerId')::uuid = ${ownerId}::uuid`

// pg-boss's own condition of an attempt that is over, as a moment.
const lateAt = sql`least(started_on + expire_seconds * interval '1 second', heartbeat_on + heartbeat_seconds * interval '1 second')`

const list = (names: string[]) =>
  sql.join(
    names.map((name) => sql`${name}`),
    sql`, `
  )

async function lockAttempt(tx: Transaction, { name, id, startedOn }: Attempt): Promise<boolean> {
  const rows = await selectRaw(
    tx,
    sql`select from job_common where name = ${name} and id = ${id} and state = 'active'
      and started_on = ${startedOn}::timestamptz for update`
  )
  return rows.length === 1
}

async function handBackWhere(db: Database, condition: SQL): Promise<void> {
  await db.execute(
    sql`update job_common set state = case when retry_count = 0 then 'created' else 'retry' end::job_state, started_on = null,
        start_after = now() where state = 'active' and ${condition}
      returning name, pg_notify('tenon_jobs', name)`
  )
}

/** A database or transaction as pg-boss uses one. Both drivers take a list as PostgreSQL's text of it, and JSON as text. */
function through(db: Database): { executeSql: Execute } {
  const { executeSql } = fromDrizzle(db as never, sql)
  return { executeSql: (text, values) => executeSql(text, values?.map(asText)) }
}

function asText(value: unknown): unknown {
  if (Array.isArray(value)) return `{${value.map((one) => JSON.stringify(one)).join(',')}}`
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}

const policyOf = ({ uniqueUntil }: AnyJob) => (uniqueUntil === 'started' ? 'short' : 'exclusive')

function optionsOf({ retry = {}, timeoutSeconds = 900, keepSeconds = WEEK_SECONDS, deadLetter }: AnyJob) {
  const { limit = retry.delaysSeconds?.length ?? 2, delaySeconds = 1, maxDelaySeconds = 900 } = retry
  return {
    retryLimit: limit,
    retryDelay: delaySeconds,
    retryBackoff: true,
    retryDelayMax: maxDelaySeconds,
    expireInSeconds: timeoutSeconds,
    retentionSeconds: RETENTION_SECONDS,
    deleteAfterSeconds: keepSeconds,
    heartbeatSeconds: timeoutSeconds > HEARTBEAT_SECONDS ? HEARTBEAT_SECONDS : null,
    deadLetter: deadLetter ?? null
  }
}
