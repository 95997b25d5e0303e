import { sql } from 'drizzle-orm'
import { alterTables, type OnWait } from '#src/db/alter-tables.ts'
import type { Database } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'

/** What the triggers of one table are told. */
export interface RecordedTable {
  table: string
  /** The name of the resource: `products`. */
  resource: string
  /** The first half of its types: `product`. */
  noun: string
  /** The column with the owner. */
  owner: string | undefined
  /** The columns that callers never read. */
  secret: string[]
}

const TRIGGERS = [
  { name: 'tenon_event_created', on: sql`insert`, rows: sql`new table as new_rows` },
  { name: 'tenon_event_updated', on: sql`update`, rows: sql`old table as old_rows new table as new_rows` },
  { name: 'tenon_event_deleted', on: sql`delete`, rows: sql`old table as old_rows` }
]

/**
 * The tables with triggers that differ from what is declared: they are missing, or were made for an earlier declaration,
 * or for a resource that records no events any more.
 */
export async function tablesWithOtherTriggers(db: Database, declared: RecordedTable[]): Promise<string[]> {
  const rows = await selectRaw<{ name: string; args: string; count: number }>(
    db,
    sql`select relname as name, encode(tgargs, 'hex') as args, count(*)::int as count
      from pg_trigger join pg_class on pg_class.oid = tgrelid join pg_proc on pg_proc.oid = tgfoid
      where proname = 'tenon_record_events' and tgenabled <> 'D' and pg_table_is_visible(pg_class.oid)
      group by relname, tgargs`
  )
  // As PostgreSQL keeps the arguments: each ends with a NUL.
  const kept = (one: RecordedTable) => Buffer.from(`${argumentsOf(one).join('\0')}\0`).toString('hex')
  const wanted = new Map(declared.map((one) => [one.table, kept(one)]))
  const isThere = ({ name, args, count }: (typeof rows)[number]) =>
    count === TRIGGERS.length && wanted.get(name) === args
  const right = new Set(rows.filter(isThere).map(({ name }) => name))
  return [...new Set([...wanted.keys(), ...rows.map(({ name }) => name)])].filter((name) => !right.has(name))
}

const argumentsOf = ({ resource, noun, owner = '', secret }: RecordedTable) => [
  resource,
  noun,
  owner,
  `{${secret.map((name) => JSON.stringify(name)).join()}}`
]

/** Makes the triggers as declared. Instances that do so at once take turns. @param onWait told what it waits for. */
export async function setEventTriggers(db: Database, declared: RecordedTable[], onWait: OnWait): Promise<void> {
  if ((await tablesWithOtherTriggers(db, declared)).length === 0) return
  await alterTables(
    db,
    async (tx) => {
      for (const table of await tablesWithOtherTriggers(tx, declared)) {
        const one = declared.find((each) => each.table === table)
        for (const { name, on, rows } of TRIGGERS) {
          await tx.execute(sql`drop trigger if exists ${sql.identifier(name)} on ${sql.identifier(table)}`)
          if (!one) continue
          const texts = sql.join(
            argumentsOf(one).map((text) => sql`${text}`.inlineParams()),
            sql`, `
          )
          await tx.execute(sql`
            create trigger ${sql.identifier(name)} after ${on} on ${sql.identifier(table)} referencing ${rows}
            for each statement execute function tenon_record_events(${texts})`)
        }
      }
    },
    onWait
  )
}
