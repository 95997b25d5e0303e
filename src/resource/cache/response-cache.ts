import { LRUCache } from 'lru-cache'

// Callers decide which answers are cached, so both their number and their size are bounded: the least used go first.
const BOUNDS = { max: 10_000, maxSize: 32 * 2 ** 20 }
// A write of another instance shows within a second, whether or not its notification comes; reading it anew takes time.
const UNTOLD_MS = 800

/** An answer as text, and the headers that are part of it. */
export interface CachedResponse {
  body: string
  headers: Record<string, string>
  /** When reading it began, as the clock tells it, in milliseconds. */
  readAt: number
  /** The count of writes, given by `stamp`, when reading the answer began. */
  stamp: number
}

/** Answers that are the same for every caller, kept in memory until one of their tables is written or they expire. */
export class ResponseCache {
  readonly #kept: LRUCache<string, CachedResponse>
  readonly #writes = new Map<string, number>()
  readonly #readers = new Map<string, string>()
  readonly #now: () => number
  #losses = 0
  #receivedUntil: () => number = () => -Infinity

  /** @param now the clock, in milliseconds: that of `performance.now()`. */
  constructor(now = () => performance.now(), bounds = BOUNDS) {
    this.#now = now
    this.#kept = new LRUCache({ ...bounds, sizeCalculation: sizeOf })
  }

  /** How many are kept. */
  get size(): number {
    return this.#kept.size
  }

  /** The tables that answers are read from, each with the resource that was the first to say so. */
  get tables(): ReadonlyMap<string, string> {
    return this.#readers
  }

  /** Registers a resource with cached answers that are read from these tables. */
  follow(resource: string, tables: string[]): void {
    for (const table of tables) {
      if (!this.#readers.has(table)) this.#readers.set(table, resource)
      this.#writes.set(table, 0)
    }
  }

  /** @param receivedUntil the time, by the same clock, until which every write was told. */
  trustUntil(receivedUntil: () => number): void {
    this.#receivedUntil = receivedUntil
  }

  /** The time, to be noted before an answer is read. */
  now(): number {
    return this.#now()
  }

  /** Counts the writes of tables: an answer that was read under one number is stale under another. */
  stamp(tables: string[]): number {
    return tables.reduce((sum, table) => sum + (this.#writes.get(table) as number), this.#losses)
  }

  /** Gives the answer that is kept under a key, when it is not stale, and its age in milliseconds. */
  find(key: string, tables: string[], ttlMs: number): (CachedResponse & { ageMs: number }) | undefined {
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    const ageMs = this.#now() - kept.readAt
    const isTold = ageMs < UNTOLD_MS || this.#now() - this.#receivedUntil() < UNTOLD_MS
    if (ageMs < ttlMs && isTold && kept.stamp === this.stamp(tables)) return { ...kept, ageMs }
    return undefined
  }

  /** Keeps an answer, unless one of its tables was written while it was read. */
  keep(key: string, tables: string[], answer: CachedResponse): void {
    if (answer.stamp === this.stamp(tables)) this.#kept.set(key, answer)
  }

  /** Drops the answers that were or are being read from a table; or all, when any table may have been written. */
  written(table: string | undefined): void {
    if (table === undefined) this.#losses += 1
    else if (this.#writes.has(table)) this.#writes.set(table, (this.#writes.get(table) as number) + 1)
  }
}

// Two bytes for a character at most, and what an entry costs besides.
const sizeOf = ({ body, headers }: CachedResponse, key: string) =>
  2 * (body.length + key.length + JSON.stringify(headers).length) + 300
