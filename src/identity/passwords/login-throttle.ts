import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError } from '#src/errors.ts'

interface Count {
  failures: number
  /** When the next try is answered, in milliseconds of the clock. */
  waitUntil: number
}

/** Failures that cost nothing, and how long the wait that doubles after them becomes at most. */
interface Rule {
  free: number
  mostSeconds: number
}

const PAIR: Rule = { free: 10, mostSeconds: 30 }
const ADDRESS: Rule = { free: 100, mostSeconds: 10 }
const ACCOUNT_FREE = 30
const MAX_HELD_MS = 1000
const MAX_KEPT = 50_000

/**
 * Slows down who guesses passwords. An address that guesses one account, or many, must wait longer each time. An account
 * that many addresses guess at answers those a little later that never logged in there, and refuses nobody: its own user
 * always gets in.
 */
export class LoginThrottle {
  readonly #pairs = new Map<string, Count>()
  readonly #addresses = new Map<string, Count>()
  readonly #accounts = new Map<string, Count>()
  readonly #welcome = new Set<string>()
  readonly #now: () => number
  readonly #hold: (ms: number) => Promise<unknown>

  constructor(now: () => number = Date.now, hold: (ms: number) => Promise<unknown> = sleep) {
    this.#now = now
    this.#hold = hold
  }

  /**
   * Lets a try begin, at once or a little later.
   * @throws ApiError TOO_MANY_REQUESTS with the seconds to wait.
   */
  async admit(account: string, address: string): Promise<void> {
    const now = this.#now()
    const pair = `${account} ${address}`
    const until = Math.max(
      this.#pairs.get(pair)?.waitUntil ?? 0,
      this.#welcome.has(pair) ? 0 : (this.#addresses.get(address)?.waitUntil ?? 0)
    )
    if (until > now) throw tooMany(Math.ceil((until - now) / 1000))
    const failures = this.#accounts.get(account)?.failures ?? 0
    if (failures > ACCOUNT_FREE && !this.#welcome.has(pair)) {
      await this.#hold(Math.min(2 ** (failures - ACCOUNT_FREE), MAX_HELD_MS))
    }
  }

  /** Counts a wrong password. */
  failed(account: string, address: string): void {
    this.#count(this.#pairs, `${account} ${address}`, PAIR)
    this.#count(this.#addresses, address, ADDRESS)
    this.#count(this.#accounts, account, { free: Infinity, mostSeconds: 0 })
  }

  /** Forgets the failures of who logged in, and knows them from now on. */
  succeeded(account: string, address: string): void {
    this.#pairs.delete(`${account} ${address}`)
    this.#accounts.delete(account)
    makeRoom(this.#welcome)
    this.#welcome.add(`${account} ${address}`)
  }

  #count(counts: Map<string, Count>, key: string, { free, mostSeconds }: Rule): void {
    const failures = (counts.get(key)?.failures ?? 0) + 1
    const seconds = failures < free ? 0 : Math.min(2 ** (failures - free), mostSeconds)
    counts.delete(key)
    makeRoom(counts)
    counts.set(key, { failures, waitUntil: this.#now() + seconds * 1000 })
  }
}

/** The answer for who must wait. */
export function tooMany(seconds: number): ApiError {
  const message = `Too many failed attempts. Try again in ${seconds} s.`
  return new ApiError('TOO_MANY_REQUESTS', message, { retryAfter: seconds })
}

function makeRoom(kept: Map<string, unknown> | Set<string>): void {
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as string)
}
