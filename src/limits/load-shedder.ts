/** Who is refused when there is too much to do: first what is done for many rows at once, last keys marked critical. */
export type Priority = 'batch' | 'interactive' | 'critical'

interface Bounds {
  /** Requests in progress, this one included. */
  requests: number
  /** Statements that wait for a connection. */
  waiting: number
  /** How long the next of them has waited. Beyond it what comes now would be refused half-way, and its work be lost. */
  waitedMs: number
  /** How late the event loop is. */
  delayMs: number
}

// A thousand statements are what the gate lets wait, so the few that a critical key adds find room there.
const BOUNDS: Record<Priority, Bounds> = {
  batch: { requests: 500, waiting: 200, waitedMs: 100, delayMs: 40 },
  interactive: { requests: 2000, waiting: 800, waitedMs: 200, delayMs: 80 },
  critical: { requests: 2500, waiting: 1000, waitedMs: 500, delayMs: 160 }
}

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

  /** @param isLoopFree whether the event loop is late, and statements wait, only when there is too much to do. */
  constructor(isLoopFree: boolean) {
    this.#isLoopFree = isLoopFree
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
   * @param waiting statements that wait.
   * @param waitedMs how long the next of them has waited.
   */
  admits(priority: Priority, waiting: number, waitedMs: number): boolean {
    const bounds = BOUNDS[priority]
    if (this.#inProgress > bounds.requests || waiting >= bounds.waiting) return false
    return !this.#isLoopFree || (this.#delayMs < bounds.delayMs && waitedMs < bounds.waitedMs)
  }

  /** Seconds after which what is in progress now is done, and a little more: who all come back at once meet again. */
  retryAfter(): number {
    const seconds = this.#inProgress / Math.max(1, this.#perSecond)
    return Math.ceil(Math.min(seconds, LONGEST_WAIT_S) + 2 * Math.random())
  }

  /**
   * Takes in how late a timer came. The least of some samples counts: one long pause, such as a large body being parsed,
   * is over when it is seen; what is always late has more to do than it can.
   */
  sample(delayMs: number): void {
    this.#delays[this.#samples % SAMPLES] = delayMs
    this.#samples += 1
    if (this.#isLoopFree) this.#delayMs = Math.min(...this.#delays)
    const perSecond = (this.#ended * 1000) / (SAMPLE_EVERY_MS + delayMs)
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
