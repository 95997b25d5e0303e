import { LRUCache } from 'lru-cache'
import { BatchedWrites } from '#src/concurrency/batching.ts'
import { runUncancellable } from '#src/concurrency/request-scope.ts'
import type { Database, Listen } from '../database.ts'
import { notify, PING_TIMES } from '../notifications/notify.ts'
import { Watch } from '../notifications/watch.ts'
import { TOLERATED_LAG_MS } from './replicas.ts'

const CHANNEL = 'tenon_writers'

/** How long a writer is remembered, in milliseconds. */
interface WriterTimes {
  /** How long a writer is remembered after its notification. */
  knownMs: number
  /** How long a writer need not be notified again. The rest of `knownMs` is longer than a replica may lag. */
  toldMs: number
  /** How far a replica may be behind: after that time every reader sees the change. */
  lagMs: number
}

const TIMES: WriterTimes = { knownMs: 3000, toldMs: 1000, lagMs: TOLERATED_LAG_MS }

/**
 * Remembers the callers that changed something a moment ago, through any instance: they read from the primary, so that
 * they see their change. A change is answered when this instance has received its own notification of it, since
 * PostgreSQL notifies all listeners in the same moment; or when so much time has passed that a replica without the
 * change is not used.
 */
export class ReadYourWrites {
  readonly #watch: Watch
  readonly #times: WriterTimes
  readonly #heard: LRUCache<string, number>
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #tells: BatchedWrites<string, void>
  #hasListened = false
  #missedUntil = -Infinity

  constructor(db: Database, listen: Listen, times = TIMES) {
    this.#times = times
    this.#heard = new LRUCache({ max: 1_000_000, ttl: times.knownMs })
    const hearer = { onMessage: (text: string) => this.#hear(text), onListening: () => this.#begin() }
    this.#watch = new Watch(listen, CHANNEL, hearer, (ping) => notify(db, CHANNEL, ping), PING_TIMES)
    const tell = (ids: string[]) => runUncancellable(() => notify(db, CHANNEL, ids.join(' ')))
    // 200 ids are under the 8,000 bytes that a notification may have.
    this.#tells = new BatchedWrites(async (ids) => Array(ids.length).fill(await tell(ids)), never, {
      most: 200,
      inFlight: 1
    })
  }

  /** Starts to hear of others. */
  async start(): Promise<void> {
    await this.#watch.start()
  }

  /** Stops hearing. */
  async close(): Promise<void> {
    await this.#watch.close()
  }

  /** Whether this caller changed something a moment ago; true also when that is not known. */
  mustReadPrimary(id: string): boolean {
    const now = performance.now()
    const { lagMs } = this.#times
    return this.#heard.has(id) || now - this.#watch.receivedUntil > lagMs || now - this.#missedUntil <= lagMs
  }

  /** Tells all instances that this caller changed something. Settles when the change may be answered. */
  async wrote(id: string): Promise<void> {
    const heardAt = this.#heard.get(id)
    this.#watch.need()
    if (heardAt !== undefined && performance.now() - heardAt < this.#times.toldMs) return
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting)
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.add(resolve)
    const timer = setTimeout(resolve, this.#times.lagMs)
    this.#tells.add(id).catch(() => {})
    await promise
    clearTimeout(timer)
    waiting.delete(resolve)
    if (waiting.size === 0) this.#waiting.delete(id)
  }

  // Notifications sent while there was no connection are lost, so the writers of that time are not known.
  #begin(): void {
    if (this.#hasListened) this.#missedUntil = performance.now()
    this.#hasListened = true
  }

  #hear(text: string): void {
    const now = performance.now()
    for (const id of text.split(' ')) {
      this.#heard.set(id, now)
      for (const resolve of this.#waiting.get(id) ?? []) resolve()
    }
  }
}

const never = () => 'unknown' as const
