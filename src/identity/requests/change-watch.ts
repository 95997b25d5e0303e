import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Database, Listen } from '#src/db/database.ts'
import { Channel } from '#src/db/notifications/channel.ts'
import { CHANNEL, forgetChanges, readChanges, readWatermark } from './identity-changes.ts'

/** How the watch is kept, in milliseconds. */
export interface WatchTimes {
  /** Between two looks at the table of changes, which find what a lost notification told. */
  pollMs: number
  /** The same while there is no listener, such as behind a pooler: a change is told within a second all the same. */
  aloneMs: number
  /** Without a look for so long, nothing that is kept counts any more. */
  staleMs: number
  /** How long our own notification may take to come back before the listener is replaced. */
  deafMs: number
}

const TIMES: WatchTimes = { pollMs: 1500, aloneMs: 500, staleMs: 4000, deafMs: 4000 }
const FORGET_EVERY = 400

/**
 * Follows the changes that every instance tells: by notification at once, by a poll when the listener was cut.
 * Each poll pings the channel, so that a listener that does not hear is replaced.
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

  /** @param onChange told what changed, `<kind>:<id>`; or undefined when anything may have. */
  constructor(db: Database, listen: Listen, onChange: (subject: string | undefined) => void, times = TIMES) {
    this.#db = db
    this.#channel = new Channel(listen, CHANNEL, { onMessage: onChange })
    this.#onChange = onChange
    this.#times = times
  }

  /** Whether what is kept in memory can be believed: changes were followed until just now. */
  get isFollowing(): boolean {
    return performance.now() - this.#readAt < this.#times.staleMs
  }

  /** Starts to follow. Nothing must be kept before that. */
  async start(): Promise<void> {
    // Without a listener the poll alone will do, and it tries again to have one.
    await this.#channel.open().catch(() => {})
    await this.#poll()
    this.#schedule()
  }

  /** Reads what changed until now, so that who made a change here finds it done when they are answered. */
  catchUp(): Promise<void> {
    // The change is made, so its answer is not given up; and what is heard is for everybody.
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
      // A failure needs no report: after a while without a look nothing kept counts, and statements say it themselves.
      await this.#poll().catch(() => {})
      if (!this.#isClosed) this.#schedule()
    }, delayMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    const startedAt = performance.now()
    this.#channel.replaceDeaf(this.#times.deafMs)
    // The table forgets, so after a long time what it tells is not all.
    if (!this.isFollowing) this.#onChange(undefined)
    // The watermark comes first: what is still under way at that moment is read again the next time.
    const watermark = await readWatermark(this.#db, this.#channel.ping())
    for (const subject of await readChanges(this.#db, this.#watermark || watermark)) this.#onChange(subject)
    this.#watermark = watermark
    this.#readAt = startedAt
    this.#polls += 1
    if (this.#polls % FORGET_EVERY === 0) await forgetChanges(this.#db)
  }
}
