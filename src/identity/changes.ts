import { CHANNEL, forgetChanges, type Listen, type Listener, readChanges, readWatermark } from '../db/notify.ts'
import type { Database } from '../db/open.ts'

/** How the watch is kept, in milliseconds. */
export interface WatchTimes {
  /** Between two looks at the table of changes, which find what a lost notification told. */
  pollMs: number
  /** Without a look for so long, nothing that is kept counts any more. */
  staleMs: number
  /** How long our own notification may take to come back before the listener is replaced. */
  deafMs: number
}

const TIMES: WatchTimes = { pollMs: 1500, staleMs: 4000, deafMs: 4000 }
const FORGET_EVERY = 400

/**
 * Follows the changes that every instance tells: by notification at once, by a poll when the listener was cut.
 * Each poll notifies the instance's own name; a listener that does not hear it is replaced, half-open ones too.
 */
export class ChangeWatch {
  readonly #db: Database
  readonly #listen: Listen
  readonly #onChange: (subject: string | undefined) => void
  readonly #times: WatchTimes
  readonly #name = `ping:${crypto.randomUUID()}`
  #listener: Promise<Listener> | undefined
  #timer: NodeJS.Timeout | undefined
  #watermark = 0
  #polls = 0
  #readAt = -Infinity
  #heardAt = -Infinity
  #isClosed = false

  /** @param onChange told what changed, `<kind>:<id>`; or undefined when anything may have. */
  constructor(db: Database, listen: Listen, onChange: (subject: string | undefined) => void, times = TIMES) {
    this.#db = db
    this.#listen = listen
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
    await this.#replaceListener().catch(() => {})
    await this.#poll()
    this.#schedule()
  }

  /** Reads what changed until now, so that who made a change here finds it done when they are answered. */
  catchUp(): Promise<void> {
    return this.#poll()
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#endListener()
  }

  #schedule(): void {
    this.#timer = setTimeout(async () => {
      // A failure needs no report: after a while without a look nothing kept counts, and statements say it themselves.
      await this.#poll().catch(() => {})
      if (!this.#isClosed) this.#schedule()
    }, this.#times.pollMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    const startedAt = performance.now()
    if (startedAt - this.#heardAt > this.#times.deafMs) this.#replaceListener().catch(() => {})
    // The table forgets, so after a long time what it tells is not all.
    if (!this.isFollowing) this.#onChange(undefined)
    // The watermark comes first: what is still under way at that moment is read again the next time.
    const watermark = await readWatermark(this.#db, this.#name)
    for (const subject of await readChanges(this.#db, this.#watermark || watermark)) this.#onChange(subject)
    this.#watermark = watermark
    this.#readAt = startedAt
    this.#polls += 1
    if (this.#polls % FORGET_EVERY === 0) await forgetChanges(this.#db)
  }

  async #replaceListener(): Promise<void> {
    await this.#endListener()
    /* c8 ignore next -- closed while the one before was ended: a new one would keep the process alive for ever */
    if (this.#isClosed) return
    this.#heardAt = performance.now()
    this.#listener = this.#listen(CHANNEL, (text) => this.#hear(text))
    await this.#listener
  }

  async #endListener(): Promise<void> {
    const listener = await this.#listener?.catch(() => undefined)
    await listener?.close()
  }

  #hear(text: string): void {
    if (text === this.#name) this.#heardAt = performance.now()
    else if (!text.startsWith('ping:')) this.#onChange(text)
  }
}
