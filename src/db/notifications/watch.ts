import type { Database, Listen } from '../database.ts'
import { Channel, type Hearer } from './channel.ts'
import { notify } from './notify.ts'

/** How the watch is kept, in milliseconds. */
export interface WatchTimes {
  /** Between two pings. */
  pingMs: number
  /** How long a ping may take to come back before the listener is replaced. */
  deafMs: number
}

const TIMES: WatchTimes = { pingMs: 400, deafMs: 4000 }

/** Follows a channel, and knows up to which time it received every notification. */
export class Watch {
  readonly #db: Database
  readonly #name: string
  readonly #channel: Channel
  readonly #times: WatchTimes
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(db: Database, listen: Listen, name: string, hearer: Hearer, times = TIMES) {
    this.#db = db
    this.#name = name
    this.#times = times
    this.#channel = new Channel(listen, name, hearer)
  }

  /** The time, as `performance.now()` tells it, until which everything was heard that was told. */
  get heardUntil(): number {
    return this.#channel.heardUntil
  }

  /** Starts to follow. */
  async start(): Promise<void> {
    // A failed start is not an error: the watch tries again, and counts as not receiving until it succeeds.
    await this.#channel.open().catch(() => {})
    await this.#ping()
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#channel.close()
  }

  async #ping(): Promise<void> {
    this.#channel.replaceDeaf(this.#times.deafMs)
    await notify(this.#db, this.#name, this.#channel.ping()).catch(() => {})
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#ping(), this.#times.pingMs).unref()
  }
}
