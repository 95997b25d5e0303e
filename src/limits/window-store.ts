/** What a window has counted, and how long it still is, in milliseconds. */
export interface Count {
  current: number
  ttl: number
}

interface Counter {
  count: number
  endsAt: number
}

// Each is some hundred bytes, and whoever has many addresses makes as many.
const MAX_COUNTERS = 100_000

/**
 * Fixed windows in the memory of this process.
 * A window starts with its first request, so there is no moment at which everybody's count starts anew.
 */
export class WindowStore {
  readonly #now: () => number
  #recent = new Map<string, Counter>()
  #older = new Map<string, Counter>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Adds to a key's window, or takes back what was added. */
  add(key: string, windowMs: number, amount = 1): Count {
    const now = this.#now()
    let counter = this.#recent.get(key) ?? this.#older.get(key)
    if (!counter || counter.endsAt <= now) counter = { count: 0, endsAt: now + windowMs }
    counter.count = Math.max(0, counter.count + amount)
    this.#keep(key, counter)
    return { current: counter.count, ttl: counter.endsAt - now }
  }

  // Two generations: what was not asked for while the younger one filled up is let go, without a walk over all.
  #keep(key: string, counter: Counter): void {
    this.#recent.set(key, counter)
    if (this.#recent.size < MAX_COUNTERS / 2) return
    this.#older = this.#recent
    this.#recent = new Map()
  }
}
