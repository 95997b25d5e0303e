import { ApiError } from '../errors.ts'
import { CompletionRate } from './completion-rate.ts'
import {
  addDatabaseMs,
  currentScope,
  deadlineExceeded,
  isAbandoned,
  isForAnswer,
  type RequestScope,
  watchScope
} from './request-scope.ts'

interface GateLimits {
  /** The most tasks that run at once. */
  inFlight: number
  /** The most tasks that may wait. */
  waiting: number
  /** The longest wait before a task is refused, in milliseconds. */
  waitMs: number
  /** The name of the resource in the refusal's message. */
  resource?: string
}

interface Waiter {
  since: number
  group: Group | undefined
  /** The queue that it waits in now. */
  queue: Waiter[]
  start: () => void
  timer: NodeJS.Timeout | undefined
}

interface Group {
  readonly rate: CompletionRate
  running: number
  /** Tasks that cannot start before another of the same route ends. */
  readonly held: Waiter[]
}

// The share of the places and of the queue that one route may have: its slow statements must not take all of them.
const SHARE = 0.6

/**
 * Lets a bounded number of statements run and a bounded number wait, in order. Statements of other routes overtake a
 * route that has its full share. postgres.js alone has a queue without a bound, and sends further statements behind a
 * running one, however slow it is.
 */
export class Limiter {
  readonly #limits: GateLimits
  readonly #most: number
  readonly #waiters: Waiter[] = []
  readonly #groups = new WeakMap<object, Group>()
  // The same groups as a list for sampling: one for each route with a statement so far.
  readonly #sampled: Group[] = []
  readonly #rate = new CompletionRate()
  #held = 0
  #running = 0

  constructor(limits: GateLimits) {
    this.#limits = limits
    this.#most = Math.ceil(SHARE * limits.inFlight)
  }

  /** The numbers of running and waiting tasks. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiters.length + this.#held }
  }

  /** The time that the first task in the queue has waited, in milliseconds. @param route the route of the request. */
  waitedMs(route: object): number {
    const first = this.#groups.get(route)?.held[0] ?? this.#waiters[0]
    return first ? performance.now() - first.since : 0
  }

  /**
   * The predicted wait of a new task, from the completion rate, in milliseconds. @param route the route of the task.
   */
  predictedMs(route: object): number {
    const group = this.#groups.get(route)
    if (group && group.held.length > 0) return group.rate.waitMs(group.held.length)
    return this.#rate.waitMs(this.#waiters.length)
  }

  /** Adds the tasks that ended since the last sample. @param ms since then. */
  sample(ms: number): void {
    this.#rate.sample(ms, this.#waiters.length > 0)
    for (const { rate, held } of this.#sampled) rate.sample(ms, held.length > 0)
  }

  /**
   * Runs a task when its turn comes.
   * @throws ApiError OVERLOADED when too many wait already or the turn does not come in time, DEADLINE_EXCEEDED when
   * the client leaves or its deadline passes first.
   */
  async run<T>(task: () => PromiseLike<T>): Promise<T> {
    const caller = currentScope()
    if (caller && isAbandoned(caller)) throw deadlineExceeded()
    const group = this.#groupOf(caller?.route)
    const askedAt = performance.now()
    if (this.#running >= this.#limits.inFlight || (group && this.#hasShare(group))) await this.#turn(caller, group)
    else {
      this.#running += 1
      if (group) group.running += 1
    }
    try {
      return await task()
    } finally {
      if (caller) addDatabaseMs(caller, performance.now() - askedAt)
      this.#rate.end()
      if (group) this.#release(group)
      this.#next()
    }
  }

  // With so few connections that 60 % rounds up to all of them, shares are off.
  #groupOf(route: object | undefined): Group | undefined {
    if (!route || this.#most >= this.#limits.inFlight) return undefined
    let group = this.#groups.get(route)
    if (!group) {
      group = { rate: new CompletionRate(), running: 0, held: [] }
      this.#groups.set(route, group)
      this.#sampled.push(group)
    }
    return group
  }

  #hasShare(group: Group): boolean {
    return group.running >= this.#most
  }

  #turn(caller: RequestScope | undefined, group: Group | undefined): Promise<void> {
    if (isForAnswer(caller)) {
      return new Promise((resolve) =>
        this.#waiters.unshift({
          since: performance.now(),
          group,
          queue: this.#waiters,
          start: resolve,
          timer: undefined
        })
      )
    }
    const { waiting } = this.#limits
    if (this.load.waiting >= waiting) throw overloaded(this.#limits)
    if (group && this.#hasShare(group) && group.held.length >= SHARE * waiting) throw overloaded(this.#limits)
    return new Promise((resolve, reject) => {
      const refuse = (error: ApiError) => {
        clearTimeout(waiter.timer)
        unwatch?.()
        this.#drop(waiter)
        reject(error)
        return true
      }
      const unwatch = caller && watchScope(caller, () => refuse(deadlineExceeded()))
      const start = () => {
        unwatch?.()
        resolve()
      }
      const timer = setTimeout(() => refuse(overloaded(this.#limits)), this.#limits.waitMs)
      const waiter: Waiter = { since: performance.now(), group, queue: this.#waiters, start, timer }
      if (group && this.#hasShare(group)) this.#hold(waiter, group)
      else this.#waiters.push(waiter)
    })
  }

  #hold(waiter: Waiter, group: Group): void {
    waiter.queue = group.held
    group.held.push(waiter)
    this.#held += 1
  }

  #drop(waiter: Waiter): void {
    const { queue, group } = waiter
    queue.splice(queue.indexOf(waiter), 1)
    if (queue !== this.#waiters) this.#held -= 1
    // The waiter that left may have been the reason to hold others of its route.
    else if (group && !this.#hasShare(group)) this.#unhold(group)
  }

  #release(group: Group): void {
    group.rate.end()
    group.running -= 1
    this.#unhold(group)
  }

  // It goes first only if it has waited longer than the first, and never before a read for an answer (no timer).
  #unhold(group: Group): void {
    const waiter = group.held.shift()
    if (!waiter) return
    this.#held -= 1
    waiter.queue = this.#waiters
    const [first] = this.#waiters
    if (first && (!first.timer || first.since < waiter.since)) this.#waiters.push(waiter)
    else this.#waiters.unshift(waiter)
  }

  // The place is handed over, not freed and taken again, so that a new task cannot overtake the waiting ones.
  #next(): void {
    let waiter = this.#waiters.shift()
    while (waiter?.group && this.#hasShare(waiter.group)) {
      this.#hold(waiter, waiter.group)
      waiter = this.#waiters.shift()
    }
    if (!waiter) {
      this.#running -= 1
      return
    }
    if (waiter.group) waiter.group.running += 1
    clearTimeout(waiter.timer)
    waiter.start()
  }
}

function overloaded({ resource = 'the database' }: GateLimits): ApiError {
  return new ApiError('OVERLOADED', `Too many requests wait for ${resource}.`)
}
