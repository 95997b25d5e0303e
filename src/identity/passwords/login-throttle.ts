import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { ApiError } from '#src/errors.ts'
import { networkOf } from '../requests/network.ts'

/** Counts events within a window, in the memory of this process or shared by all instances. */
export interface AttemptWindows {
  /** Adds to a window. Gives its count and its remaining time, in milliseconds. */
  add(key: string, windowMs: number, amount?: number): Count | Promise<Count>
}

interface Count {
  current: number
  ttl: number
}

/** So many wrong tries in so many seconds. */
interface Limit {
  tries: number
  seconds: number
}

/** The most wrong tries: of a network on one account, of a network on all accounts, of all networks on one account. */
interface AttemptLimits {
  pair: Limit
  network: Limit
  account: Limit
}

/** ASVS 5 requires at most 100 wrong passwords an hour on one account. */
export const LOGIN_LIMITS: AttemptLimits = {
  pair: { tries: 10, seconds: 600 },
  network: { tries: 100, seconds: 600 },
  account: { tries: 100, seconds: 3600 }
}

/** A code has six digits, and three codes are right at any time: only few tries are safe. */
export const SECOND_FACTOR_LIMITS: AttemptLimits = {
  pair: { tries: 5, seconds: 300 },
  network: { tries: 50, seconds: 300 },
  account: { tries: 20, seconds: 3600 }
}

const MAX_KNOWN = 50_000
const KNOWN_MS = 60_000

/**
 * Bounds how many passwords or codes are guessed. A try is counted when it begins, because the check takes a while and
 * many may come at once; a right one is given back. The bounds of the account and of the network do not hold for a
 * network that the account has logged in from: a flood of guesses from elsewhere cannot lock its user out.
 */
export class LoginThrottle {
  readonly #windows: AttemptWindows | undefined
  readonly #name: string
  readonly #limits: AttemptLimits
  readonly #findNetworks: (account: string) => Promise<ReadonlySet<string>>
  readonly #known = new LRUCache<string, boolean>({ max: MAX_KNOWN, ttl: KNOWN_MS })

  /**
   * @param windows the counters of tries; undefined without limits.
   * @param findNetworks the networks that an account has logged in from.
   */
  constructor(
    windows: AttemptWindows | undefined,
    name: string,
    limits: AttemptLimits,
    findNetworks: (account: string) => Promise<ReadonlySet<string>>
  ) {
    this.#windows = windows
    this.#name = name
    this.#limits = limits
    this.#findNetworks = findNetworks
  }

  /**
   * Runs the check of one try. Gives its result, or undefined for a wrong one. A check that throws is not counted.
   * @throws ApiError TOO_MANY_REQUESTS with the seconds to wait, before the check.
   */
  async attempt<T>(account: string, address: string, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const windows = this.#windows
    if (!windows) return check()
    const network = networkOf(address)
    const giveBack = await this.#begin(windows, account, network)
    let result: T | undefined
    try {
      result = await check()
    } catch (error) {
      await giveBack()
      throw error
    }
    if (result === undefined) return undefined
    await giveBack()
    // A right password clears this network's typing errors; the account's count may include an attacker's tries.
    const { key, windowMs, tries } = this.#countersOf(account, network)[0]
    await windows.add(key, windowMs, -tries)
    this.#known.set(`${account} ${network}`, true)
    return result
  }

  async #begin(windows: AttemptWindows, account: string, network: string): Promise<() => Promise<void>> {
    const counted: Counter[] = []
    const giveBack = async () => {
      for (const { key, windowMs } of counted) await windows.add(key, windowMs, -1)
    }
    for (const counter of this.#countersOf(account, network)) {
      const { current, ttl } = await windows.add(counter.key, counter.windowMs)
      counted.push(counter)
      if (current <= counter.tries || (counter.sparesKnown && (await this.#isKnown(account, network)))) continue
      await giveBack()
      throw tooMany(Math.ceil(ttl / 1000))
    }
    return giveBack
  }

  // The account is hashed: the counts may be in Redis, which should hold no address of a person.
  #countersOf(account: string, network: string): [Counter, Counter, Counter] {
    const who = hash('sha256', account, 'base64url').slice(0, 22)
    const counter = (kind: keyof AttemptLimits, of: string): Counter => {
      const { tries, seconds } = this.#limits[kind]
      return { key: `${this.#name}:${of}`, windowMs: seconds * 1000, tries, sparesKnown: kind !== 'pair' }
    }
    return [counter('pair', `${who} ${network}`), counter('network', network), counter('account', who)]
  }

  async #isKnown(account: string, network: string): Promise<boolean> {
    const pair = `${account} ${network}`
    const found = this.#known.get(pair)
    if (found !== undefined) return found
    const isKnown = (await this.#findNetworks(account)).has(network)
    this.#known.set(pair, isKnown)
    return isKnown
  }
}

interface Counter {
  key: string
  windowMs: number
  tries: number
  /** Whether it does not hold for networks that the account has logged in from. */
  sparesKnown: boolean
}

/** The error for too many attempts. */
export function tooMany(seconds: number): ApiError {
  const message = `Too many failed attempts. Try again in ${seconds} s.`
  return new ApiError('TOO_MANY_REQUESTS', message, { retryAfter: seconds })
}
