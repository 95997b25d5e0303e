import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Listener } from '../database.ts'

/**
 * Listens while there is a need for it, so that a database that no process needs can sleep. Where it cannot listen, as behind
 * a pooler or while the database is away, it says so from time to time, and tries again.
 */
export class OnDemandListener {
  readonly #open: () => Promise<Listener>
  readonly #onDeaf: () => void
  readonly #deafMs: number
  #holders = 0
  #isClosed = false
  #listener: Listener | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()

  /** @param onDeaf called every `deafMs` while nothing can be heard. */
  constructor(open: () => Promise<Listener>, onDeaf: () => void, deafMs: number) {
    this.#open = open
    this.#onDeaf = onDeaf
    this.#deafMs = deafMs
  }

  /** Says that it is needed, until `release`. Settles once it hears, or cannot. */
  hold(): Promise<void> {
    this.#holders += 1
    return this.#settle()
  }

  /** Takes one `hold` back. After the last it stops listening. */
  release(): void {
    this.#holders -= 1
    void this.#settle()
  }

  /** Stops listening, whatever is still held. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.#settle()
  }

  // One after the other: a listener that is still opening must be there before it can be closed.
  #settle(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#apply())
    return this.#turn
  }

  async #apply(): Promise<void> {
    clearTimeout(this.#timer)
    const listener = this.#listener
    if (this.#isClosed || this.#holders === 0) {
      this.#listener = undefined
      // One that cannot be closed was lost.
      await Promise.allSettled([listener?.close()])
      return
    }
    // Of no request: the end of the first one that needs it must not end what is heard for all.
    this.#listener ??= await runDetached(this.#open).catch(() => undefined)
    if (!this.#listener) this.#timer = setTimeout(() => this.#retry(), this.#deafMs).unref()
  }

  #retry(): void {
    this.#onDeaf()
    void this.#settle()
  }
}
