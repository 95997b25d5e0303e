/** The count of a window, and its remaining time in milliseconds. */
export interface Count {
  current: number
  ttl: number
}

interface Counter {
  count: number
  endsAt: number
}

// Each is some hundred bytes, and an attacker with many addresses makes as many.
const MAX_COUNTERS = 100_000

/**
 * Fixed windows in the memory of this process. A window starts with its first request, so the windows of different keys
 * do not all restart at one moment.
 */
export class WindowStore {
  readonly #now: () => number
  #recent = new Map<string, Counter>()
  #older = new Map<string, Counter>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Adds to a key's window; a negative amount takes back. */
  add(key: string, windowMs: number, amount = 1): Count {
    const now = this.#now()
    let counter = this.#recent.get(key) ?? this.#older.get(key)
    if (!counter || counter.endsAt <= now) counter = { count: 0, endsAt: now + windowMs }
    counter.count = Math.max(0, counter.count + amount)
    this.#keep(key, counter)
    return { current: counter.count, ttl: counter.endsAt - now }
  }

  // Two generations: keys that were not used while the younger one filled up are dropped, without a walk over all.
  #keep(key: string, counter: Counter): void {
    this.#recent.set(key, counter)
    if (this.#recent.size < MAX_COUNTERS / 2) return
    this.#older = this.#recent
    this.#recent = new Map()
  }
}
