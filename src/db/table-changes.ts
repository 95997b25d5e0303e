import { sql } from 'drizzle-orm'
import { Channel } from './channel.ts'
import { lockMigrations } from './migrate.ts'
import { type Listen, notify } from './notify.ts'
import type { Database } from './open.ts'

const CHANNEL = 'tenon_tables'

/** How the watch is kept, in milliseconds. */
export interface TableWatchTimes {
  /** Between two pings. */
  pingMs: number
  /** How long a ping may take to come back before the listener is replaced. */
  deafMs: number
}

const TIMES: TableWatchTimes = { pingMs: 400, deafMs: 4000 }

/** Follows which tables any instance writes, for those that have the trigger. */
export class TableWatch {
  readonly #db: Database
  readonly #channel: Channel
  readonly #times: TableWatchTimes
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param onChange told the table that was written; or undefined when any may have been. */
  constructor(db: Database, listen: Listen, onChange: (table: string | undefined) => void, times = TIMES) {
    this.#db = db
    this.#times = times
    this.#channel = new Channel(listen, CHANNEL, { onMessage: onChange, onListening: () => onChange(undefined) })
  }

  /** The time, as `performance.now()` tells it, until which every write was told. */
  get heardUntil(): number {
    return this.#channel.heardUntil
  }

  /** Starts to follow. */
  async start(): Promise<void> {
    // Who cannot hear yet tries again, and meanwhile knows that it does not.
    await this.#channel.open().catch(() => {})
    await this.#ping()
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#channel.close()
  }

  async #ping(): Promise<void> {
    this.#channel.replaceDeaf(this.#times.deafMs)
    await notify(this.#db, CHANNEL, this.#channel.ping()).catch(() => {})
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#ping(), this.#times.pingMs).unref()
  }
}

/** Those of the tables whose writes nobody is told. */
export async function untoldTables(db: Database, tables: Iterable<string>): Promise<string[]> {
  const rows = await db
    .select({ name: sql<string>`relname` })
    .from(sql`pg_trigger join pg_class on pg_class.oid = tgrelid join pg_proc on pg_proc.oid = tgfoid`)
    .where(sql`proname = 'tenon_table_changed' and tgenabled <> 'D' and pg_table_is_visible(pg_class.oid)`)
  const told = new Set(rows.map(({ name }) => name))
  return [...tables].filter((table) => !told.has(table))
}

/** The statement that makes the writes of a table known. */
export const tellTable = (table: string) => sql`
  create trigger tenon_table_changed after insert or update or delete or truncate on ${sql.identifier(table)}
  for each statement execute function tenon_table_changed()`

/** Makes the writes of tables known. Instances that do so at once take turns. */
export async function tellTables(db: Database, tables: Iterable<string>): Promise<void> {
  await db.transaction(async (tx) => {
    await lockMigrations(tx)
    for (const table of await untoldTables(tx, tables)) await tx.execute(tellTable(table))
  })
}
