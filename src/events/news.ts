import { randomUUID } from 'node:crypto'
import { runDetached } from '../concurrency/request-scope.ts'
import type { Database, Listen } from '../db/database.ts'
import { notify } from '../db/notifications/notify.ts'
import { OnDemandListener } from '../db/notifications/on-demand-listener.ts'

/** The channel on which processes tell each other that they recorded events. Triggers tell it of other programs. */
const CHANNEL = 'tenon_events'

/** How news travels, in milliseconds. */
interface NewsTimes {
  /** Between two notifications of this process: events of the time between share one. */
  apartMs: number
  /** Between two looks where nothing can be heard, as behind a pooler. */
  deafMs: number
}

const TIMES: NewsTimes = { apartMs: 50, deafMs: 5000 }

/**
 * Tells those that follow the events that there may be new ones, in this process and in all others. A transaction that
 * notifies takes a lock of the whole server when it commits, so a change does not notify itself: its process does, soon after
 * the commit.
 */
export class EventNews {
  readonly #db: Database
  readonly #isAlone: boolean
  readonly #apartMs: number
  readonly #own = randomUUID()
  readonly #followers = new Set<() => void>()
  readonly #listener: OnDemandListener
  #telling: NodeJS.Timeout | undefined
  #isUntold = false

  /** @param isAlone whether no other process has the database open. */
  constructor(db: Database, listen: Listen, isAlone: boolean, times: Partial<NewsTimes> = {}) {
    const { apartMs, deafMs } = { ...TIMES, ...times }
    this.#db = db
    this.#isAlone = isAlone
    this.#apartMs = apartMs
    const look = () => this.#callBack()
    const hear = (text: string) => {
      if (text !== this.#own) look()
    }
    // What was told while nothing was heard is read when it hears again.
    this.#listener = new OnDemandListener(() => listen(CHANNEL, hear, look), look, deafMs)
  }

  /**
   * Calls back when there may be new events, from when it settles at the latest. There is a connection that listens while
   * there are followers. @returns a function that ends it.
   */
  async follow(onNews: () => void): Promise<() => void> {
    this.#followers.add(onNews)
    await this.#listener.hold()
    return () => {
      if (this.#followers.delete(onNews)) this.#listener.release()
    }
  }

  /** Says that this process recorded events, or may have. */
  recorded(): void {
    this.#isUntold = true
    if (!this.#telling) this.#tell()
  }

  /** Ends listening, and tells the others what they were not told yet. */
  async close(): Promise<void> {
    clearTimeout(this.#telling)
    if (this.#isUntold && !this.#isAlone) await this.#notify()
    await this.#listener.close()
  }

  #tell(): void {
    this.#isUntold = false
    this.#callBack()
    if (!this.#isAlone) void this.#notify()
    this.#telling = setTimeout(() => {
      this.#telling = undefined
      if (this.#isUntold) this.#tell()
    }, this.#apartMs).unref()
  }

  // One that fails is no loss for long: the next one tells of all events before it.
  async #notify(): Promise<void> {
    await runDetached(() => notify(this.#db, CHANNEL, this.#own)).catch(() => {})
  }

  #callBack(): void {
    for (const follower of this.#followers) runDetached(follower)
  }
}
