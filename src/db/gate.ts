import { AsyncLocalStorage } from 'node:async_hooks'
import { ApiError } from '../errors.ts'

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
  start: () => void
  timer: NodeJS.Timeout | undefined
}

const answering = new AsyncLocalStorage<true>()

/**
 * Reads what the answer to a change needs, after the change was made: its statements go before those that wait and are
 * never refused. A caller who is told that nothing was done would do it again.
 */
export function readForAnswer<T>(read: () => Promise<T>): Promise<T> {
  return answering.run(true, read)
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

  /**
   * Runs a task when it is its turn.
   * @throws ApiError OVERLOADED when too many wait already or the turn does not come in time.
   */
  async run<T>(task: () => PromiseLike<T>): Promise<T> {
    if (this.#running >= this.#limits.inFlight) await this.#turn()
    else this.#running += 1
    try {
      return await task()
    } finally {
      this.#next()
    }
  }

  #turn(): Promise<void> {
    if (answering.getStore()) {
      return new Promise((resolve) => this.#waiters.unshift({ start: resolve, timer: undefined }))
    }
    if (this.#waiters.length >= this.#limits.waiting) throw overloaded(this.#limits)
    return new Promise((resolve, reject) => {
      const refuse = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(overloaded(this.#limits))
      }
      const waiter: Waiter = { start: resolve, timer: setTimeout(refuse, this.#limits.waitMs) }
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
