import { sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { apiKeys } from '../tables/api-keys.ts'

const WRITE_MS = 5000

/** The last use of keys: noted in memory at every request, and written for all keys together. */
export class KeyUsage {
  readonly #db: Database
  readonly #usedAt = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  constructor(db: Database, writeMs: number = WRITE_MS) {
    this.#db = db
    // After a failed write, the values go with the next one.
    this.#timer = setInterval(() => this.write().catch(() => {}), writeMs)
    this.#timer.unref()
  }

  /** Notes that a key is used now. */
  mark(keyId: string): void {
    this.#usedAt.set(keyId, Date.now())
  }

  /** Writes the noted times in one statement. */
  async write(): Promise<void> {
    const used = [...this.#usedAt]
    if (used.length === 0) return
    this.#usedAt.clear()
    const rows = sql.join(
      used.map(([id, at]) => sql`(${id}::uuid, ${new Date(at).toISOString()}::timestamptz)`),
      sql`, `
    )
    try {
      await this.#db
        .update(apiKeys)
        .set({ lastUsedAt: sql`greatest(${apiKeys.lastUsedAt}, used.at)` })
        .from(sql`(values ${rows}) as used (id, at)`)
        .where(sql`${apiKeys.id} = used.id`)
    } catch (error) {
      for (const [id, at] of used) this.#usedAt.set(id, Math.max(at, this.#usedAt.get(id) ?? 0))
      throw error
    }
  }

  /** Writes the last times. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.write().catch(() => {})
  }
}
