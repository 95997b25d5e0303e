import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Database, Listen } from '#src/db/database.ts'
import { Watch, type WatchTimes } from '#src/db/notifications/watch.ts'
import { CHANNEL, forgetChanges, readChanges, readWatermark } from './identity-changes.ts'

/** How changes are followed, in milliseconds. */
interface ChangeTimes extends WatchTimes {
  /** Cached records are not trusted when the last look at the table of changes is older than this. */
  staleMs: number
}

// Behind a pooler nothing is heard, and a change must be told within a second all the same.
const TIMES: ChangeTimes = { pingMs: 1500, aloneMs: 500, staleMs: 4000, deafMs: 4000 }
const FORGET_EVERY = 400

/**
 * Follows the changes of all instances: at once by notification, and with each ping by a look at the table of changes,
 * which finds changes of lost notifications. Changes are not followed while no request comes.
 */
export class ChangeWatch {
  readonly #db: Database
  readonly #watch: Watch
  readonly #onChange: (subject: string | undefined) => void
  readonly #staleMs: number
  #watermark = 0
  #looks = 0
  #readAt = -Infinity

  /** @param onChange called with each change, `<kind>:<id>`; or undefined when anything may have changed. */
  constructor(db: Database, listen: Listen, onChange: (subject: string | undefined) => void, times = TIMES) {
    this.#db = db
    this.#onChange = onChange
    this.#staleMs = times.staleMs
    this.#watch = new Watch(listen, CHANNEL, { onMessage: onChange }, (ping) => this.#look(ping), times)
  }

  /** Whether cached records can be trusted: the last look was recent. */
  get isFollowing(): boolean {
    // Nothing is heard during a sleep: the last look proves nothing any more, however short the sleep was.
    if (this.#watch.isAsleep) this.#readAt = -Infinity
    this.#watch.need()
    return this.#isFresh
  }

  /** Whether no request asked for a while. */
  get isAsleep(): boolean {
    return this.#watch.isAsleep
  }

  /** Starts to follow. Nothing may be cached before. */
  start(): Promise<void> {
    return this.#watch.start()
  }

  /** Reads the changes until now, so that the request that made one finds it applied after its answer. */
  catchUp(): Promise<void> {
    // The change is made, so its answer is not given up; and the look serves all requests.
    return runDetached(() => this.#watch.ping())
  }

  /** Stops following. */
  close(): Promise<void> {
    return this.#watch.close()
  }

  get #isFresh(): boolean {
    return performance.now() - this.#readAt < this.#staleMs
  }

  async #look(ping: string): Promise<void> {
    const startedAt = performance.now()
    // The table keeps changes for an hour only, so after a longer time it is not complete.
    if (!this.#isFresh) this.#onChange(undefined)
    // The watermark is read first: transactions that run at that moment are read again next time.
    const watermark = await readWatermark(this.#db, ping)
    for (const subject of await readChanges(this.#db, this.#watermark || watermark)) this.#onChange(subject)
    this.#watermark = watermark
    this.#readAt = startedAt
    this.#looks += 1
    if (this.#looks % FORGET_EVERY === 0) await forgetChanges(this.#db)
  }
}
