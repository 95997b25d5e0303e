import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Listen, Listener } from '#src/db/database.ts'
import { type AttemptOutcome, runAttempt } from './attempt.ts'
import type { AnyJob } from './job.ts'
import type { Jobs } from './jobs.ts'
import { type Attempt, CANCEL, CHANNEL, type Due, HEARTBEAT_SECONDS } from './storage.ts'

/** How the worker waits, in milliseconds. */
export interface WorkerTimes {
  /** The longest time without a look at the database, should a notification be lost. */
  lookMs: number
  /** The same where nothing can be heard, as behind a pooler. */
  deafMs: number
  /** From the end of one look to the question what is due next: what comes meanwhile shares it. */
  settleMs: number
  /** After a failure of the database. */
  retryMs: number
  /** How long running jobs may take when the process ends. */
  graceMs: number
  /** Between two signs of life of attempts that may take longer than a heartbeat. */
  beatMs: number
  /** Between two deletions of jobs that were kept for long enough. */
  forgetMs: number
}

const TIMES: WorkerTimes = {
  lookMs: 600_000,
  deafMs: 5000,
  settleMs: 200,
  retryMs: 1000,
  graceMs: 5000,
  beatMs: (HEARTBEAT_SECONDS * 1000) / 3,
  forgetMs: 3_600_000
}
const DEFAULT_CONCURRENCY = 4

interface Queue {
  job: AnyJob
  /** Whether there may be jobs that are due. */
  isDirty: boolean
  running: number
}

interface Running {
  attempt: Attempt
  abort: AbortController
  ended: Promise<void>
}

/** The parts that a worker needs. */
interface WorkerParts {
  app: FastifyInstance
  jobs: Jobs
  log: FastifyBaseLogger
  listen: Listen
  /** Whether no other process can run jobs of this database. */
  isAlone: boolean
  times?: Partial<WorkerTimes>
  /** Told of each attempt that ended, with its time in seconds. */
  onAttempt?: (job: string, outcome: AttemptOutcome, seconds: number) => void
}

/**
 * Runs jobs in this process. It is woken by notifications, and by one timer that is set to the time when something is due
 * next: while nothing is due, one statement in ten minutes is all that it sends.
 */
export class Worker {
  readonly #parts: WorkerParts
  readonly #times: WorkerTimes
  readonly #queues: Map<string, Queue>
  readonly #running = new Map<string, Running>()
  #listener: Listener | undefined
  #timer: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #forgotAt = -Infinity
  #taking: Promise<void> | undefined
  #isClosed = false

  constructor(parts: WorkerParts) {
    this.#parts = parts
    this.#times = { ...TIMES, ...parts.times }
    const queues = [...parts.jobs.definitions.values()].map((job): [string, Queue] => [
      job.name,
      { job, isDirty: false, running: 0 }
    ])
    this.#queues = new Map(queues)
  }

  /** Starts to run jobs. */
  async start(): Promise<void> {
    const { jobs, isAlone } = this.#parts
    // A process that was killed left them behind, and nothing else can be running them.
    if (isAlone) await jobs.storage.handBackAll()
    for (const { job } of this.#queues.values()) await jobs.sendNext(job, new Date())
    await this.#listen()
    this.#heartbeat = setInterval(() => this.#beat(), this.#times.beatMs).unref()
    this.#wakeAll()
  }

  /** Takes no more jobs. Those that run may end within the grace; then they are given back. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearInterval(this.#heartbeat)
    await Promise.allSettled([this.#listener?.close()])
    // Jobs that are being taken run, too.
    await this.#taking
    const ended = Promise.all([...this.#running.values()].map((one) => one.ended))
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, this.#times.graceMs)
    await Promise.race([ended, late.promise])
    clearTimeout(timer)
    const left = [...this.#running.values()]
    for (const { abort } of left) abort.abort(new Error('The process ends.'))
    await this.#parts.jobs.storage.handBack(left.map(({ attempt }) => attempt))
  }

  async #listen(): Promise<void> {
    const hear = (text: string) => runDetached(() => this.#hear(text))
    // Where there is nothing to hear, the worker looks oftener.
    this.#listener = await this.#parts.listen(CHANNEL, hear, () => this.#wakeAll()).catch(() => undefined)
  }

  #hear(text: string): void {
    if (text.startsWith(CANCEL)) {
      this.#running.get(text.slice(CANCEL.length))?.abort.abort(new Error('The job was cancelled.'))
      return
    }
    this.wake([text])
  }

  #wakeAll(): void {
    this.wake([...this.#queues.keys()])
  }

  /** Whether it runs jobs, or has some to look for. */
  get isBusy(): boolean {
    return this.#running.size > 0 || this.#taking !== undefined
  }

  /** Looks for jobs of these names now. */
  wake(names: string[]): void {
    for (const name of names) {
      const queue = this.#queues.get(name)
      if (queue) queue.isDirty = true
    }
    runDetached(() => this.#take())
  }

  // One at a time: what is woken meanwhile is seen by the one that runs.
  #take(): void {
    if (this.#taking || this.#isClosed) return
    this.#taking = this.#takeAll().finally(() => {
      this.#taking = undefined
    })
  }

  async #takeAll(): Promise<void> {
    try {
      for (let queue = this.#nextQueue(); queue; queue = this.#nextQueue()) await this.#takeFrom(queue)
      await this.#forget()
      this.#setTimer(this.#times.settleMs)
    } catch (err) {
      this.#parts.log.warn({ err }, 'jobs cannot be read')
      this.#setTimer(this.#times.retryMs, true)
    }
  }

  // With other work, since a timer of its own would wake the database.
  async #forget(): Promise<void> {
    const now = performance.now()
    if (now - this.#forgotAt < this.#times.forgetMs) return
    this.#forgotAt = now
    await this.#parts.jobs.storage.forgetEnded()
  }

  #nextQueue(): Queue | undefined {
    if (this.#isClosed) return undefined
    return [...this.#queues.values()].find((queue) => queue.isDirty && queue.running < concurrencyOf(queue))
  }

  async #takeFrom(queue: Queue): Promise<void> {
    const free = concurrencyOf(queue) - queue.running
    const { storage } = this.#parts.jobs
    queue.isDirty = false
    let taken: Attempt[] = []
    try {
      taken = await storage.fetch(queue.job.name, free)
    } catch (error) {
      queue.isDirty = true
      throw error
    }
    if (taken.length === free) queue.isDirty = true
    for (const attempt of taken) this.#run(queue, attempt)
  }

  #run(queue: Queue, attempt: Attempt): void {
    const { app, jobs, log, onAttempt } = this.#parts
    const abort = new AbortController()
    const startedAt = performance.now()
    queue.running += 1
    const ended = runAttempt({
      app,
      jobs,
      log,
      job: queue.job,
      attempt,
      abort,
      isClosed: () => this.#isClosed
    }).then((outcome) => {
      onAttempt?.(queue.job.name, outcome, (performance.now() - startedAt) / 1000)
      queue.running -= 1
      this.#running.delete(attempt.id)
      if (queue.isDirty) runDetached(() => this.#take())
    })
    this.#running.set(attempt.id, { attempt, abort, ended })
  }

  #setTimer(inMs: number, isRetry = false): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void runDetached(() => (isRetry ? this.#take() : this.#plan())), inMs).unref()
  }

  // Asks what is due, and when something will be.
  async #plan(): Promise<void> {
    const { storage } = this.#parts.jobs
    try {
      const due = await storage.due([...this.#queues.keys()])
      const late = due.filter(({ lateMs }) => lateMs !== null && lateMs <= 0)
      if (late.length > 0) await storage.failLate(late.map(({ name }) => name))
      const ready = due.filter((one) => (isReady(one) || late.includes(one)) && this.#hasRoom(one))
      this.#setTimer(this.#untilNext(due))
      if (ready.length > 0) this.wake(ready.map(({ name }) => name))
    } catch (err) {
      this.#parts.log.warn({ err }, 'jobs cannot be read')
      this.#setTimer(this.#times.retryMs)
    }
  }

  // Jobs of a queue without room are taken when one of those that run ends.
  #hasRoom({ name }: Due): boolean {
    const queue = this.#queues.get(name) as Queue
    if (queue.running < concurrencyOf(queue)) return true
    queue.isDirty = true
    return false
  }

  #untilNext(due: Due[]): number {
    const { lookMs, deafMs } = this.#times
    const times = due
      .flatMap(({ startMs, lateMs }) => [startMs, lateMs])
      .filter((ms) => ms !== null && ms > 0) as number[]
    return Math.ceil(Math.min(...times, this.#listener ? lookMs : deafMs))
  }

  #beat(): void {
    const byName = Map.groupBy(this.#running.values(), ({ attempt }) => attempt.name)
    for (const [name, running] of byName) {
      const { timeoutSeconds = Infinity } = (this.#queues.get(name) as Queue).job
      if (timeoutSeconds <= HEARTBEAT_SECONDS) continue
      const ids = running.map(({ attempt }) => attempt.id)
      this.#parts.jobs.storage.touch(name, ids).catch((err) => this.#parts.log.warn({ err }, 'a heartbeat failed'))
    }
  }
}

const concurrencyOf = ({ job }: Queue) => job.concurrency ?? DEFAULT_CONCURRENCY

const isReady = ({ startMs }: Due) => startMs !== null && startMs <= 0
