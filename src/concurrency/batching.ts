import { AsyncLocalStorage } from 'node:async_hooks'
import { currentScope, type RequestScope, runInScope, together, untilEnd } from './request-scope.ts'

// Requests that wait for the same answer. Its read is given up when all of them have left.
type Asked<V> = PromiseWithResolvers<V> & { callers: (RequestScope | undefined)[] }
type Batch<V> = Map<string, Asked<V>>

// A batch belongs to no single request: it has neither the deadline of one nor its place in the limiter's queue.
const asNobody = AsyncLocalStorage.snapshot()

/** Batches calls of one turn of the event loop. No call joins a statement that was sent already. */
function eachTurn(send: () => void): void {
  setImmediate(asNobody, send)
}

interface Limits {
  /** The most keys or items in one statement. */
  most: number
  /** The most statements under way at once. */
  inFlight: number
}

/**
 * Reads by key: keys that are requested in one turn of the event loop are read with one statement. A request that comes
 * after a statement was sent waits for the next, so that it never reads data older than itself.
 */
export class BatchedReads<V> {
  readonly #load: (keys: string[]) => Promise<Map<string, V>>
  readonly #limits: Limits
  // Full batches, and the one that fills. Each is a new Map: SwapRemoveList says what a long-lived Map costs.
  readonly #full: Batch<V | undefined>[] = []
  #open: Batch<V | undefined> = new Map()
  #inFlight = 0
  #isScheduled = false

  /** @param load reads the values of many keys; it leaves out keys that do not exist. */
  constructor(load: (keys: string[]) => Promise<Map<string, V>>, limits: Limits) {
    this.#load = load
    this.#limits = limits
  }

  /** The value of a key; undefined when there is none. */
  get(key: string): Promise<V | undefined> {
    let one = this.#open.get(key)
    if (!one) {
      one = { ...Promise.withResolvers<V | undefined>(), callers: [] }
      this.#open.set(key, one)
      if (this.#open.size >= this.#limits.most) {
        this.#full.push(this.#open)
        this.#open = new Map()
      }
      this.#schedule()
    }
    const caller = currentScope()
    one.callers.push(caller)
    return untilEnd(caller, one.promise)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    eachTurn(this.#send)
  }

  readonly #send = () => {
    this.#isScheduled = false
    while (this.#inFlight < this.#limits.inFlight) {
      const some = this.#next()
      if (!some) return
      this.#inFlight += 1
      this.#read([...some])
    }
  }

  #next(): Batch<V | undefined> | undefined {
    const full = this.#full.shift()
    if (full || this.#open.size === 0) return full
    const open = this.#open
    this.#open = new Map()
    return open
  }

  async #read(some: [string, Asked<V | undefined>][]): Promise<void> {
    try {
      const everyone = together(some.flatMap(([, { callers }]) => callers))
      const found = await runInScope(everyone, () => this.#load(some.map(([key]) => key)))
      for (const [key, one] of some) one.resolve(found.get(key))
    } catch (error) {
      for (const [, one] of some) one.reject(error)
    }
    this.#inFlight -= 1
    if (this.#full.length > 0 || this.#open.size > 0) this.#schedule()
  }
}

/** Requests with the same key in one turn of the event loop share one answer. */
export class CoalescedReads<V> {
  #waiting = new Map<string, Asked<V> & { make: () => Promise<V> }>()

  /** The answer to a key, made by the `make` of the first request for it. */
  get(key: string, make: () => Promise<V>): Promise<V> {
    let one = this.#waiting.get(key)
    if (!one) {
      one = { ...Promise.withResolvers<V>(), make, callers: [] }
      this.#waiting.set(key, one)
      if (this.#waiting.size === 1) eachTurn(this.#send)
    }
    const caller = currentScope()
    one.callers.push(caller)
    return untilEnd(caller, one.promise)
  }

  readonly #send = () => {
    const waiting = this.#waiting
    this.#waiting = new Map()
    for (const { make, callers, resolve, reject } of waiting.values()) {
      runInScope(together(callers), make).then(resolve, reject)
    }
  }
}

type Added<T, R> = { item: T } & PromiseWithResolvers<R>

/** What made a statement fail. */
export type Blame = 'item' | 'statement' | 'unknown'

/**
 * Batches writes into one statement, each with its own result or error. When the most statements are under way, new
 * writes wait and go with the next one: the higher the load, the more writes share a commit.
 */
export class BatchedWrites<T, R> {
  readonly #write: (items: T[]) => Promise<R[]>
  readonly #blame: (error: unknown) => Blame
  readonly #limits: Limits
  #waiting: Added<T, R>[] = []
  #inFlight = 0

  /**
   * @param write writes items with one statement, all or none, and gives their results in order.
   * @param blame tells what caused an error. `item`: the batch is written in halves, so that only the item at fault
   * gets the error. `statement` (it was undone): each item is written alone, as one may have held up the others.
   * `unknown`: the outcome is not known, and every item gets the error.
   */
  constructor(write: (items: T[]) => Promise<R[]>, blame: (error: unknown) => Blame, limits: Limits) {
    this.#write = write
    this.#blame = blame
    this.#limits = limits
  }

  /**
   * Writes an item in a batch. An item with a deadline is written alone: only the end of its statement tells whether it
   * was written, and the end of a batch may come too late for it.
   */
  add(item: T): Promise<R> {
    const { endsAt = Number.POSITIVE_INFINITY } = currentScope() ?? {}
    if (endsAt !== Number.POSITIVE_INFINITY) return this.#write([item]).then(([result]) => result as R)
    const one = { ...Promise.withResolvers<R>(), item }
    this.#waiting.push(one)
    if (this.#waiting.length === 1) eachTurn(this.#send)
    return one.promise
  }

  readonly #send = () => {
    const { most, inFlight } = this.#limits
    while (this.#waiting.length > 0 && this.#inFlight < inFlight) {
      this.#inFlight += 1
      const some = this.#waiting.splice(0, most)
      this.#settle(some).finally(() => {
        this.#inFlight -= 1
        this.#send()
      })
    }
  }

  async #settle(some: Added<T, R>[]): Promise<void> {
    try {
      const results = await this.#write(some.map(({ item }) => item))
      for (const [index, { resolve }] of some.entries()) resolve(results[index] as R)
    } catch (error) {
      const blame = some.length > 1 ? this.#blame(error) : 'unknown'
      if (blame === 'item') {
        const middle = some.length >> 1
        await this.#settle(some.slice(0, middle))
        await this.#settle(some.slice(middle))
      } else if (blame === 'statement') await Promise.all(some.map((one) => this.#settle([one])))
      else for (const { reject } of some) reject(error)
    }
  }
}
