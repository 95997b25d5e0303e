import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Database, Listen } from '#src/db/database.ts'
import { Channel } from '#src/db/notifications/channel.ts'
import { CHANNEL, forgetChanges, readChanges, readWatermark } from './identity-changes.ts'

/** The times of the watch, in milliseconds. */
export interface WatchTimes {
  /** Between two polls of the table of changes, which find changes of lost notifications. */
  pollMs: number
  /** The same without a listener, such as behind a pooler: a change still arrives within a second. */
  aloneMs: number
  /** Cached records are not trusted when the last poll is older than this. */
  staleMs: number
  /** The longest time for this process's own notification to come back before the listener is replaced. */
  deafMs: number
}

const TIMES: WatchTimes = { pollMs: 1500, aloneMs: 500, staleMs: 4000, deafMs: 4000 }
const FORGET_EVERY = 400

/**
 * Follows the changes of all instances: at once by notification, and by a poll when the connection was cut. Each poll
 * pings the channel, so that a listener without an answer is replaced.
 */
export class ChangeWatch {
  readonly #db: Database
  readonly #channel: Channel
  readonly #onChange: (subject: string | undefined) => void
  readonly #times: WatchTimes
  #timer: NodeJS.Timeout | undefined
  #watermark = 0
  #polls = 0
  #readAt = -Infinity
  #isClosed = false

  /** @param onChange called with each change, `<kind>:<id>`; or undefined when anything may have changed. */
  constructor(db: Database, listen: Listen, onChange: (subject: string | undefined) => void, times = TIMES) {
    this.#db = db
    this.#channel = new Channel(listen, CHANNEL, { onMessage: onChange })
    this.#onChange = onChange
    this.#times = times
  }

  /** Whether cached records can be trusted: the last poll was recent. */
  get isFollowing(): boolean {
    return performance.now() - this.#readAt < this.#times.staleMs
  }

  /** Starts to follow. Nothing may be cached before. */
  async start(): Promise<void> {
    // Without a listener the poll is enough, and it tries again to open one.
    await this.#channel.open().catch(() => {})
    await this.#poll()
    this.#schedule()
  }

  /** Reads the changes until now, so that the request that made one finds it applied after its answer. */
  catchUp(): Promise<void> {
    // The change is made, so its answer is not given up; and the poll serves all requests.
    return runDetached(() => this.#poll())
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#channel.close()
  }

  #schedule(): void {
    const delayMs = this.#channel.isListening ? this.#times.pollMs : this.#times.aloneMs
    this.#timer = setTimeout(async () => {
      // A failure needs no report: without polls the cached records expire, and statements report errors themselves.
      await this.#poll().catch(() => {})
      if (!this.#isClosed) this.#schedule()
    }, delayMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    const startedAt = performance.now()
    this.#channel.replaceDeaf(this.#times.deafMs)
    // The table keeps changes for an hour only, so after a longer time it is not complete.
    if (!this.isFollowing) this.#onChange(undefined)
    // The watermark is read first: transactions that run at that moment are read again next time.
    const watermark = await readWatermark(this.#db, this.#channel.ping())
    for (const subject of await readChanges(this.#db, this.#watermark || watermark)) this.#onChange(subject)
    this.#watermark = watermark
    this.#readAt = startedAt
    this.#polls += 1
    if (this.#polls % FORGET_EVERY === 0) await forgetChanges(this.#db)
  }
}
