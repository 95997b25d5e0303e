import { sql } from 'drizzle-orm'
import { alterTables, type OnWait } from '../alter-tables.ts'
import type { Database, Listen } from '../database.ts'
import { notify, PING_TIMES } from './notify.ts'
import { Watch } from './watch.ts'

const CHANNEL = 'tenon_tables'

/** Follows which tables any instance writes, for those that have the trigger. */
export class TableWatch extends Watch {
  /** @param onChange told the table that was written; or undefined when any may have been. */
  constructor(db: Database, listen: Listen, onChange: (table: string | undefined) => void, times = PING_TIMES) {
    const hearer = { onMessage: onChange, onListening: () => onChange(undefined) }
    super(listen, CHANNEL, hearer, (ping) => notify(db, CHANNEL, ping), times)
  }
}

/** Gives those of the tables that have no trigger, so that their writes notify no instance. */
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

/** Makes the writes of tables known. Instances that do so at once take turns. @param onWait told what it waits for. */
export async function addChangeTriggers(db: Database, tables: Iterable<string>, onWait: OnWait): Promise<void> {
  const untold = await tablesWithoutTrigger(db, tables)
  if (untold.length === 0) return
  await alterTables(
    db,
    async (tx) => {
      for (const table of await tablesWithoutTrigger(tx, untold)) await tx.execute(tellTable(table))
    },
    onWait
  )
}
