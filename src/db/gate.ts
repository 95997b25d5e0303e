import { ApiError } from '../errors.ts'
import { type Caller, currentCaller, deadlineExceeded, hasLeft, isForAnswer, watchCaller } from './caller.ts'

interface GateLimits {
  /** How many run at once. */
  inFlight: number
  /** How many may wait for their turn. */
  waiting: number
  /** How long one waits before it is refused. */
  waitMs: number
  /** What they wait for, as the refusal says it. */
  resource?: string
}

interface Waiter {
  since: number
  start: () => void
  timer: NodeJS.Timeout | undefined
}

/**
 * Lets a bounded number of statements run and a bounded number wait, in order.
 * postgres.js alone queues without end, and sends what it cannot place behind a statement that is running, however slow.
 */
export class Gate {
  readonly #limits: GateLimits
  readonly #waiters: Waiter[] = []
  #running = 0

  constructor(limits: GateLimits) {
    this.#limits = limits
  }

  /** How many run and how many wait. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiters.length }
  }

  /** How long the next in turn has waited, in milliseconds. */
  get waitedMs(): number {
    const [first] = this.#waiters
    return first ? performance.now() - first.since : 0
  }

  /**
   * Runs a task when it is its turn.
   * @throws ApiError OVERLOADED when too many wait already or the turn does not come in time, DEADLINE_EXCEEDED when the
   * caller leaves before it comes.
   */
  async run<T>(task: () => PromiseLike<T>): Promise<T> {
    const caller = currentCaller()
    if (caller && hasLeft(caller)) throw deadlineExceeded()
    if (this.#running >= this.#limits.inFlight) await this.#turn(caller)
    else this.#running += 1
    try {
      return await task()
    } finally {
      this.#next()
    }
  }

  #turn(caller: Caller | undefined): Promise<void> {
    if (isForAnswer(caller)) {
      return new Promise((resolve) =>
        this.#waiters.unshift({ since: performance.now(), start: resolve, timer: undefined })
      )
    }
    if (this.#waiters.length >= this.#limits.waiting) throw overloaded(this.#limits)
    return new Promise((resolve, reject) => {
      const refuse = (error: ApiError) => {
        clearTimeout(waiter.timer)
        unwatch?.()
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(error)
        return true
      }
      const unwatch = caller && watchCaller(caller, () => refuse(deadlineExceeded()))
      const start = () => {
        unwatch?.()
        resolve()
      }
      const timer = setTimeout(() => refuse(overloaded(this.#limits)), this.#limits.waitMs)
      const waiter: Waiter = { since: performance.now(), start, timer }
      this.#waiters.push(waiter)
    })
  }

  // The place is handed over, not freed and taken again, so that a newcomer cannot overtake those who wait.
  #next(): void {
    const waiter = this.#waiters.shift()
    if (!waiter) {
      this.#running -= 1
      return
    }
    clearTimeout(waiter.timer)
    waiter.start()
  }
}

function overloaded({ resource = 'the database' }: GateLimits): ApiError {
  return new ApiError('OVERLOADED', `Too many requests wait for ${resource}.`, { headers: { 'retry-after': '1' } })
}
