import { sql } from 'drizzle-orm'
import type { Database, Listen } from '../database.ts'
import { lockMigrations } from '../migrate.ts'
import { Watch, type WatchTimes } from './watch.ts'

const CHANNEL = 'tenon_tables'

/** Follows which tables any instance writes, for those that have the trigger. */
export class TableWatch extends Watch {
  /** @param onChange told the table that was written; or undefined when any may have been. */
  constructor(db: Database, listen: Listen, onChange: (table: string | undefined) => void, times?: WatchTimes) {
    super(db, listen, CHANNEL, { onMessage: onChange, onListening: () => onChange(undefined) }, times)
  }
}

/** Those of the tables whose writes nobody is told. */
export async function tablesWithoutTrigger(db: Database, tables: Iterable<string>): Promise<string[]> {
  const rows = await db
    .select({ name: sql<string>`relname` })
    .from(sql`pg_trigger join pg_class on pg_class.oid = tgrelid join pg_proc on pg_proc.oid = tgfoid`)
    .where(sql`proname = 'tenon_table_changed' and tgenabled <> 'D' and pg_table_is_visible(pg_class.oid)`)
  const told = new Set(rows.map(({ name }) => name))
  return [...tables].filter((table) => !told.has(table))
}

/** The statement that makes the writes of a table known. */
const tellTable = (table: string) => sql`
  create trigger tenon_table_changed after insert or update or delete or truncate on ${sql.identifier(table)}
  for each statement execute function tenon_table_changed()`

/** Makes the writes of tables known. Instances that do so at once take turns. */
export async function addChangeTriggers(db: Database, tables: Iterable<string>): Promise<void> {
  await db.transaction(async (tx) => {
    await lockMigrations(tx)
    for (const table of await tablesWithoutTrigger(tx, tables)) await tx.execute(tellTable(table))
  })
}
