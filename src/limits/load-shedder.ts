/** The order of refusal under overload: requests for many rows first, keys marked critical last. */
export type Priority = 'batch' | 'interactive' | 'critical'

interface Bounds {
  /** Requests in progress, this one included. */
  requests: number
  /** Statements that wait for a connection. */
  waiting: number
  /** The longest wait, in milliseconds. A request that waits longer would be refused half-way, its work lost. */
  waitMs: number
  /** The longest delay of the event loop, in milliseconds. */
  delayMs: number
}

/** The queue of the database when a request comes. */
export interface Queue {
  /** The number of waiting statements. */
  waiting: number
  /** How long the first of them has waited, in milliseconds. */
  waitedMs: number
  /** The predicted wait of a new statement, in milliseconds. */
  predictedMs: number
}

/** The queue of an idle database. */
export const NO_QUEUE: Queue = { waiting: 0, waitedMs: 0, predictedMs: 0 }

// The database's limiter lets a thousand statements wait, 1.5 s each, so a few more for critical keys find room. A wait
// under a second is no overload: a few hundred clients each wait for an answer.
const BOUNDS: Record<Priority, Bounds> = {
  batch: { requests: 1000, waiting: 500, waitMs: 1000, delayMs: 40 },
  interactive: { requests: 2000, waiting: 800, waitMs: 1200, delayMs: 80 },
  critical: { requests: 2500, waiting: 1000, waitMs: 1400, delayMs: 160 }
}
// A first statement that has waited for this part of the bound shows that the queue is no short burst.
const STANDING = 1 / 4

const SAMPLE_EVERY_MS = 50
const SAMPLES = 5
const LONGEST_WAIT_S = 15

/** The load of a process, in numbers that are free to read at every request. */
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
   * @param isLoopFree whether a late event loop and waiting statements always mean overload.
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
   * Whether to serve a request of a priority, which has begun.
   * @param patienceMs how long its client waits for the answer.
   */
  admits(priority: Priority, queue: Queue, patienceMs = Number.POSITIVE_INFINITY): boolean {
    const bounds = BOUNDS[priority]
    if (this.#inProgress > bounds.requests || queue.waiting >= bounds.waiting) return false
    if (!this.#isLoopFree) return true
    const waitMs = Math.min(bounds.waitMs, patienceMs)
    if (queue.waitedMs >= waitMs) return false
    if (queue.predictedMs + this.#delayMs >= waitMs && queue.waitedMs >= waitMs * STANDING) return false
    // A late loop is overloaded only when requests also take long: the machine itself may be slow.
    return this.#delayMs < bounds.delayMs || this.#stayMs < waitMs
  }

  // By Little's law: the predicted time of a new request.
  get #stayMs(): number {
    return (this.#inProgress * 1000) / Math.max(1, this.#perSecond)
  }

  /** Seconds until the requests in progress are done, and a random part: clients must not all come back at once. */
  retryAfter(): number {
    return Math.ceil(Math.min(this.#stayMs / 1000, LONGEST_WAIT_S) + 2 * Math.random())
  }

  /**
   * Adds the delay of a timer. The least of some samples counts: a single long pause, such as parsing a large body, is
   * over when it is seen; only overload delays every sample.
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

  /** Starts to sample. @returns a function that ends it. */
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
