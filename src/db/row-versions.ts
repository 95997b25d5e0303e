import { sql } from 'drizzle-orm'
import { alterTables, type OnWait } from './alter-tables.ts'
import type { Database } from './database.ts'
import { selectRaw } from './rows.ts'

/**
 * Those of the tables that have a version and not the trigger that raises it. The trigger is for what changes rows without
 * raising it: the `set null` of a foreign key, plain SQL, other programs. Tables that are not there are left out.
 */
export async function tablesWithoutVersionTrigger(db: Database, tables: string[]): Promise<string[]> {
  const rows = await selectRaw<{ name: string }>(
    db,
    sql`select relname as name from pg_class
      where relkind in ('r', 'p') and pg_table_is_visible(oid) and relname in (select jsonb_array_elements_text(${JSON.stringify(tables)}::jsonb))
        and 2 = (select count(*) from pg_attribute
          where attrelid = pg_class.oid and attname in ('version', 'updated_at') and not attisdropped)
        and not exists (select from pg_trigger join pg_proc on pg_proc.oid = tgfoid
          where tgrelid = pg_class.oid and proname = 'tenon_raise_version' and tgenabled <> 'D')`
  )
  return rows.map(({ name }) => name)
}

// Statements that raise the version themselves do not call the function.
const raiseVersion = (table: string) => sql`
  create trigger tenon_raise_version before update on ${sql.identifier(table)}
  for each row when (old.version = new.version) execute function tenon_raise_version()`

/** Adds the trigger where it is missing. Instances that do so at once take turns. @param onWait told what it waits for. */
export async function addVersionTriggers(db: Database, tables: string[], onWait: OnWait): Promise<void> {
  const without = await tablesWithoutVersionTrigger(db, tables)
  if (without.length === 0) return
  await alterTables(
    db,
    async (tx) => {
      for (const table of await tablesWithoutVersionTrigger(tx, without)) await tx.execute(raiseVersion(table))
    },
    onWait
  )
}
