import type { Listen, Listener } from '../database.ts'

const PING = 'ping:'

/** The callbacks of a channel. */
export interface Hearer {
  /** Called with the text of each notification except pings. */
  onMessage(text: string): void
  /** Called each time listening begins: earlier notifications may have been missed. */
  onListening?(): void
}

/**
 * A channel that proves it still receives: `Watch` notifies a ping from time to time, and a listener that does not
 * receive the pings is replaced, half-open connections included.
 */
export class Channel {
  readonly #listen: Listen
  readonly #name: string
  readonly #hearer: Hearer
  readonly #own = `${PING}${crypto.randomUUID()}:`
  #listener: Promise<Listener> | undefined
  #openedAt = -Infinity
  #listeningSince = Infinity
  #receivedUntil = -Infinity
  #isClosed = false

  constructor(listen: Listen, name: string, hearer: Hearer) {
    this.#listen = listen
    this.#name = name
    this.#hearer = hearer
  }

  /**
   * The time (`performance.now()`) up to which every notification was received. Notifications arrive in the order of
   * their commits, so a received ping proves that everything before it was received too.
   */
  get receivedUntil(): number {
    return this.#receivedUntil
  }

  /** Whether there is a listener, also one that stopped receiving. */
  get isListening(): boolean {
    return this.#listeningSince !== Infinity
  }

  /** What to notify now. */
  ping(): string {
    return this.#own + performance.now()
  }

  /** Starts to listen, in place of a listener that there is. Settles once it hears. */
  async open(): Promise<void> {
    await this.#end()
    /* c8 ignore next -- closed while the one before was ended: a new one would keep the process alive for ever */
    if (this.#isClosed) return
    this.#openedAt = performance.now()
    this.#listener = this.#listen(
      this.#name,
      (text) => this.#hear(text),
      () => this.#begin()
    )
    await this.#listener
  }

  /** Replaces a listener that did not hear for so long. */
  replaceDeaf(deafMs: number): void {
    const since = Math.max(this.#openedAt, this.#receivedUntil)
    // A failure needs no report: the next look tries again.
    if (performance.now() - since > deafMs) this.open().catch(() => {})
  }

  /** Stops listening, until it is opened again. What was heard before proves nothing any more. Never rejects. */
  async pause(): Promise<void> {
    this.#receivedUntil = -Infinity
    await this.#end()
  }

  /** Stops listening. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#end()
  }

  async #end(): Promise<void> {
    this.#listeningSince = Infinity
    const listener = await this.#listener?.catch(() => undefined)
    // A listener that cannot be closed was lost.
    await Promise.allSettled([listener?.close()])
  }

  #begin(): void {
    this.#listeningSince = performance.now()
    this.#hearer.onListening?.()
  }

  #hear(text: string): void {
    if (!text.startsWith(PING)) this.#hearer.onMessage(text)
    if (!text.startsWith(this.#own)) return
    const sentAt = Number(text.slice(this.#own.length))
    // One from before says nothing about what was missed between.
    if (sentAt >= this.#listeningSince) this.#receivedUntil = sentAt
  }
}
