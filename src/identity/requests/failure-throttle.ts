import { tooMany } from '../passwords/login-throttle.ts'

const WINDOW_MS = 60_000
const MAX_FAILURES = 600
const MAX_KEPT = 50_000

/**
 * Counts the refused credentials of each address, so that one that only sends bad ones is turned away before a signature
 * is checked: a forged EdDSA token costs 66 µs. Credentials that are known already are not asked about.
 */
export class FailureThrottle {
  readonly #windows = new Map<string, { endsAt: number; failures: number }>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** @throws ApiError TOO_MANY_REQUESTS when an address failed too often within a minute. */
  check(address: string): void {
    const window = this.#windows.get(address)
    if (!window || window.failures < MAX_FAILURES) return
    const leftMs = window.endsAt - this.#now()
    if (leftMs > 0) throw tooMany(Math.ceil(leftMs / 1000))
    this.#windows.delete(address)
  }

  /** Counts a refused credential. */
  count(address: string): void {
    const window = this.#windows.get(address)
    if (window && window.endsAt > this.#now()) {
      window.failures += 1
      return
    }
    this.#windows.delete(address)
    if (this.#windows.size >= MAX_KEPT) this.#windows.delete(this.#windows.keys().next().value as string)
    this.#windows.set(address, { endsAt: this.#now() + WINDOW_MS, failures: 1 })
  }
}
