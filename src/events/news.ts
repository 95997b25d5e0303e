import { randomUUID } from 'node:crypto'
import { runDetached } from '../concurrency/request-scope.ts'
import type { Database, Listen, Listener } from '../db/database.ts'
import { notify } from '../db/notifications/notify.ts'

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
  readonly #listen: Listen
  readonly #isAlone: boolean
  readonly #times: NewsTimes
  readonly #own = randomUUID()
  readonly #followers = new Set<() => void>()
  #listening: Promise<Listener | undefined> | undefined
  #looking: NodeJS.Timeout | undefined
  #telling: NodeJS.Timeout | undefined
  #isUntold = false

  /** @param isAlone whether no other process has the database open. */
  constructor(db: Database, listen: Listen, isAlone: boolean, times: Partial<NewsTimes> = {}) {
    this.#db = db
    this.#listen = listen
    this.#isAlone = isAlone
    this.#times = { ...TIMES, ...times }
  }

  /** Calls back when there may be new events. @returns a function that ends it. */
  async follow(onNews: () => void): Promise<() => void> {
    this.#followers.add(onNews)
    this.#listening ??= this.#startListening()
    await this.#listening
    return () => this.#followers.delete(onNews)
  }

  /** Says that this process recorded events, or may have. */
  recorded(): void {
    this.#isUntold = true
    if (!this.#telling) this.#tell()
  }

  /** Ends listening. */
  async close(): Promise<void> {
    clearTimeout(this.#telling)
    clearInterval(this.#looking)
    await (await this.#listening)?.close()
  }

  async #startListening(): Promise<Listener | undefined> {
    const hear = (text: string) => {
      if (text !== this.#own) this.#callBack()
    }
    try {
      return await this.#listen(CHANNEL, hear, () => this.#callBack())
    } catch {
      this.#looking = setInterval(() => this.#callBack(), this.#times.deafMs).unref()
      return undefined
    }
  }

  #tell(): void {
    this.#isUntold = false
    this.#callBack()
    // One that fails is no loss for long: the next one tells of all events before it.
    if (!this.#isAlone) runDetached(() => notify(this.#db, CHANNEL, this.#own)).catch(() => {})
    this.#telling = setTimeout(() => {
      this.#telling = undefined
      if (this.#isUntold) this.#tell()
    }, this.#times.apartMs).unref()
  }

  #callBack(): void {
    for (const follower of this.#followers) runDetached(follower)
  }
}
