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
  group: Group | undefined
  /** Where it waits now. */
  queue: Waiter[]
  start: () => void
  timer: NodeJS.Timeout | undefined
}

interface Group {
  readonly rate: CompletionRate
  running: number
  /** Who has no turn before another one of the group is done. */
  readonly held: Waiter[]
}

// What one route may have of the places, and of those to wait in, so that its slow statements do not take all of them.
const SHARE = 0.6

/**
 * Lets a bounded number of statements run and a bounded number wait, in order; those of other routes pass those of one
 * that has its share. postgres.js alone queues without end, and sends what it cannot place behind a statement that is
 * running, however slow.
 */
export class Limiter {
  readonly #limits: GateLimits
  readonly #most: number
  readonly #waiters: Waiter[] = []
  readonly #groups = new WeakMap<object, Group>()
  // The same groups, to sample them: one for each route that was asked for.
  readonly #sampled: Group[] = []
  readonly #rate = new CompletionRate()
  #held = 0
  #running = 0

  constructor(limits: GateLimits) {
    this.#limits = limits
    this.#most = Math.ceil(SHARE * limits.inFlight)
  }

  /** How many run and how many wait. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiters.length + this.#held }
  }

  /** How long the next in turn has waited, in milliseconds. @param route whose turn it would be. */
  waitedMs(route: object): number {
    const first = this.#groups.get(route)?.held[0] ?? this.#waiters[0]
    return first ? performance.now() - first.since : 0
  }

  /** How long a task that comes now will wait, by how many end in a millisecond. @param route whose task it would be. */
  predictedMs(route: object): number {
    const group = this.#groups.get(route)
    if (group && group.held.length > 0) return group.rate.waitMs(group.held.length)
    return this.#rate.waitMs(this.#waiters.length)
  }

  /** Takes in how much ended since the last sample. @param ms since then. */
  sample(ms: number): void {
    this.#rate.sample(ms, this.#waiters.length > 0)
    for (const { rate, held } of this.#sampled) rate.sample(ms, held.length > 0)
  }

  /**
   * Runs a task when it is its turn.
   * @throws ApiError OVERLOADED when too many wait already or the turn does not come in time, DEADLINE_EXCEEDED when the
   * caller leaves before it comes.
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

  // Where a share would be all there is, nobody has one.
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
    // It may have been the one for whom those of its route were held.
    else if (group && !this.#hasShare(group)) this.#unhold(group)
  }

  #release(group: Group): void {
    group.rate.end()
    group.running -= 1
    this.#unhold(group)
  }

  // Before the others only when it was there before them, and never before what is read for an answer.
  #unhold(group: Group): void {
    const waiter = group.held.shift()
    if (!waiter) return
    this.#held -= 1
    waiter.queue = this.#waiters
    const [first] = this.#waiters
    if (first && (!first.timer || first.since < waiter.since)) this.#waiters.push(waiter)
    else this.#waiters.unshift(waiter)
  }

  // The place is handed over, not freed and taken again, so that a newcomer cannot overtake those who wait.
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
