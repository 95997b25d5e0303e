import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Listen } from '../database.ts'
import { Channel, type Hearer } from './channel.ts'

/** How a channel is followed, in milliseconds. */
export interface WatchTimes {
  /** Between two pings. */
  pingMs: number
  /** The same while there is no listener, such as behind a pooler; as `pingMs` when left out. */
  aloneMs?: number
  /** How long a ping may take to come back before the listener is replaced. */
  deafMs: number
  /** How long it is followed after it was last needed. */
  idleMs?: number
}

/** For how long requests must be away until nothing is sent to the database any more, so that a hosted one can sleep. */
const IDLE_MS = 10_000

/**
 * Follows a channel, and knows up to which time it received every notification. It sleeps while it is not needed: the
 * listener is closed and nothing is sent to the database. The first question afterwards wakes it and is told that nothing
 * was received lately, so the caller must not trust what it kept from before.
 */
export class Watch {
  readonly #channel: Channel
  readonly #ping: (text: string) => Promise<unknown>
  readonly #times: WatchTimes
  #timer: NodeJS.Timeout | undefined
  #neededAt = performance.now()
  #isAsleep = false
  #isClosed = false

  /** @param ping notifies a text on the channel. It may look for what was missed on the same way. */
  constructor(
    listen: Listen,
    name: string,
    hearer: Hearer,
    ping: (text: string) => Promise<unknown>,
    times: WatchTimes
  ) {
    this.#channel = new Channel(listen, name, hearer)
    this.#ping = ping
    this.#times = times
  }

  /** The time, as `performance.now()` tells it, until which everything was heard that was told. */
  get receivedUntil(): number {
    this.need()
    return this.#channel.receivedUntil
  }

  /** Whether it was not needed for a while. */
  get isAsleep(): boolean {
    return this.#isAsleep
  }

  /** Says that it is needed now. */
  need(): void {
    this.#neededAt = performance.now()
    // Of no request: the end of the one that wakes it must not end what is followed for all.
    if (this.#isAsleep) void runDetached(() => this.#wake())
  }

  /** Starts to follow. */
  async start(): Promise<void> {
    // A failed start is not an error: the watch tries again, and counts as not receiving until it succeeds.
    await this.#channel.open().catch(() => {})
    await this.ping().catch(() => {})
    this.#schedule()
  }

  /** Pings now. @throws what the database says. */
  async ping(): Promise<void> {
    this.#channel.replaceDeaf(this.#times.deafMs)
    await this.#ping(this.#channel.ping())
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#channel.close()
  }

  async #wake(): Promise<void> {
    this.#isAsleep = false
    await this.start()
  }

  #schedule(): void {
    if (this.#isClosed) return
    const { pingMs, aloneMs = pingMs } = this.#times
    this.#timer = setTimeout(() => this.#again(), this.#channel.isListening ? pingMs : aloneMs).unref()
  }

  async #again(): Promise<void> {
    const { idleMs = IDLE_MS } = this.#times
    if (performance.now() - this.#neededAt > idleMs) {
      this.#isAsleep = true
      return this.#channel.pause()
    }
    // A failure needs no report: nothing is heard meanwhile, and statements say it themselves.
    await this.ping().catch(() => {})
    this.#schedule()
  }
}
