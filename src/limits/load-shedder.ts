/** Who is refused when there is too much to do: first what is done for many rows at once, last keys marked critical. */
export type Priority = 'batch' | 'interactive' | 'critical'

interface Bounds {
  /** Requests in progress, this one included. */
  requests: number
  /** Statements that wait for a connection. */
  waiting: number
  /** How long a request may have to wait, in milliseconds. Beyond it it would be refused half-way, and its work be lost. */
  waitMs: number
  /** How late the event loop is. */
  delayMs: number
}

/** What waits for the database when a request comes. */
export interface Queue {
  /** How many statements wait. */
  waiting: number
  /** How long the next of them has waited, in milliseconds. */
  waitedMs: number
  /** How long a statement that comes now will wait, in milliseconds. */
  predictedMs: number
}

/** The queue of a database with room. */
export const NO_QUEUE: Queue = { waiting: 0, waitedMs: 0, predictedMs: 0 }

// The limiter of the database lets a thousand statements wait, and 1.5 s each, so the few that a critical key adds find room.
// What waits for less than a second is no overload: a few hundred clients that each wait for their answer.
const BOUNDS: Record<Priority, Bounds> = {
  batch: { requests: 1000, waiting: 500, waitMs: 1000, delayMs: 40 },
  interactive: { requests: 2000, waiting: 800, waitMs: 1200, delayMs: 80 },
  critical: { requests: 2500, waiting: 1000, waitMs: 1400, delayMs: 160 }
}
// A queue that stood for this part of the bound is no burst that is over in a moment.
const STANDING = 1 / 4

const SAMPLE_EVERY_MS = 50
const SAMPLES = 5
const LONGEST_WAIT_S = 15

/** How much a process has to do, in numbers that cost nothing to read at every request. */
export class LoadShedder {
  readonly #delays = new Array<number>(SAMPLES).fill(0)
  readonly #isLoopFree: boolean
  #samples = 0
  #delayMs = 0
  #inProgress = 0
  #ended = 0
  #perSecond = 0

  readonly #onSample: (ms: number) => void

  /**
   * @param isLoopFree whether the event loop is late, and statements wait, only when there is too much to do.
   * @param onSample called with each sample, with the milliseconds since the last.
   */
  constructor(isLoopFree: boolean, onSample: (ms: number) => void = () => {}) {
    this.#isLoopFree = isLoopFree
    this.#onSample = onSample
  }

  /** A request has begun. */
  begin(): void {
    this.#inProgress += 1
  }

  /** A request is over, however it ended. */
  end(): void {
    this.#inProgress -= 1
    this.#ended += 1
  }

  /**
   * Whether a request of a priority, which has begun, is to be served.
   * @param patienceMs how long its caller waits for the answer.
   */
  admits(priority: Priority, queue: Queue, patienceMs = Number.POSITIVE_INFINITY): boolean {
    const bounds = BOUNDS[priority]
    if (this.#inProgress > bounds.requests || queue.waiting >= bounds.waiting) return false
    if (!this.#isLoopFree) return true
    const waitMs = Math.min(bounds.waitMs, patienceMs)
    if (queue.waitedMs >= waitMs) return false
    if (queue.predictedMs + this.#delayMs >= waitMs && queue.waitedMs >= waitMs * STANDING) return false
    // A late loop has too much to do only when requests also stay for long: the machine itself may be slow.
    return this.#delayMs < bounds.delayMs || this.#stayMs < waitMs
  }

  // By Little's law: how long a request stays that comes now.
  get #stayMs(): number {
    return (this.#inProgress * 1000) / Math.max(1, this.#perSecond)
  }

  /** Seconds after which what is in progress now is done, and a little more: who all come back at once meet again. */
  retryAfter(): number {
    return Math.ceil(Math.min(this.#stayMs / 1000, LONGEST_WAIT_S) + 2 * Math.random())
  }

  /**
   * Takes in how late a timer came. The least of some samples counts: one long pause, such as a large body being parsed,
   * is over when it is seen; what is always late has more to do than it can.
   */
  sample(delayMs: number): void {
    this.#delays[this.#samples % SAMPLES] = delayMs
    this.#samples += 1
    if (this.#isLoopFree) this.#delayMs = Math.min(...this.#delays)
    const ms = SAMPLE_EVERY_MS + delayMs
    this.#onSample(ms)
    const perSecond = (this.#ended * 1000) / ms
    this.#perSecond += (perSecond - this.#perSecond) / 10
    this.#ended = 0
  }

  /** Samples from now on. @returns what ends it. */
  watch(): () => void {
    let expectedAt = performance.now() + SAMPLE_EVERY_MS
    const timer = setInterval(() => {
      const now = performance.now()
      this.sample(Math.max(0, now - expectedAt))
      expectedAt = now + SAMPLE_EVERY_MS
    }, SAMPLE_EVERY_MS).unref()
    return () => clearInterval(timer)
  }
}
