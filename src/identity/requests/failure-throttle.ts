import { LRUCache } from 'lru-cache'
import { tooMany } from '../passwords/login-throttle.ts'
import { networkOf } from './network.ts'

const WINDOW_MS = 60_000
const MAX_FAILURES = 600
const MAX_KEPT = 50_000
const SIGNATURES_PER_SECOND = 100

/**
 * Counts the refused credentials of each network. A forged EdDSA token costs 66 µs, so signatures from networks over
 * the limit are checked at one bounded rate for all of them: a bad neighbour delays the first use of a token there, and
 * shuts no client out. Keys need no signature and are always read; known credentials are not counted.
 */
export class FailureThrottle {
  readonly #failures = new LRUCache<string, { count: number; endsAt: number }>({ max: MAX_KEPT })
  readonly #now: () => number
  #second = 0
  #signatures = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * Runs before a signature check. @throws ApiError TOO_MANY_REQUESTS for a network over its limit, in a full second.
   */
  admitSignature(address: string): void {
    const now = this.#now()
    const window = this.#failures.get(networkOf(address))
    if (!window || window.count < MAX_FAILURES || window.endsAt <= now) return
    const second = Math.floor(now / 1000)
    if (second !== this.#second) this.#signatures = 0
    this.#second = second
    this.#signatures += 1
    if (this.#signatures > SIGNATURES_PER_SECOND) throw tooMany(1)
  }

  /** Counts a refused credential. */
  count(address: string): void {
    const now = this.#now()
    const network = networkOf(address)
    const window = this.#failures.get(network)
    if (window && window.endsAt > now) window.count += 1
    else this.#failures.set(network, { count: 1, endsAt: now + WINDOW_MS })
  }
}
