import { type Count, WindowStore } from './window-store.ts'

/** The needed part of a Redis client. */
interface RedisClient {
  eval(script: string, keys: number, ...parameters: (string | number)[]): Promise<unknown>
}

// One script, so that no other instance comes between the count and its expiry.
const ADD = `
local current = redis.call('INCRBY', KEYS[1], ARGV[2])
local ttl = redis.call('PTTL', KEYS[1])
if ttl < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  ttl = tonumber(ARGV[1])
end
if current < 0 then
  redis.call('SET', KEYS[1], 0, 'KEEPTTL')
  current = 0
end
return {current, ttl}`

// A rate limit must not slow down the requests that it protects.
const PATIENCE_MS = 100
const LOG_EVERY_MS = 5_000

/** Windows that all instances share, in Redis; in the memory of this process while Redis does not answer. */
export class RedisWindowStore {
  readonly #redis: RedisClient
  readonly #local = new WindowStore()
  readonly #onFailure: (error: unknown) => void
  #loggedAt = Number.NEGATIVE_INFINITY

  /** @param onFailure called with a failure, at most once in 5 s. */
  constructor(redis: RedisClient, onFailure: (error: unknown) => void) {
    this.#redis = redis
    this.#onFailure = onFailure
  }

  /** Adds to a key's window; a negative amount takes back. */
  async add(key: string, windowMs: number, amount = 1): Promise<Count> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error('Redis did not answer in time')), PATIENCE_MS)
    try {
      const answer = this.#redis.eval(ADD, 1, `tenon:limit:${key}`, windowMs, amount)
      const [current, ttl] = (await Promise.race([answer, late.promise]).finally(() => clearTimeout(timer))) as number[]
      return { current, ttl } as Count
    } catch (error) {
      this.#report(error)
      return this.#local.add(key, windowMs, amount)
    }
  }

  #report(error: unknown): void {
    const now = performance.now()
    if (now - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = now
    this.#onFailure(error)
  }
}
