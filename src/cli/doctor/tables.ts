import { sql } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../../db/database.ts'
import { declaredTables } from '../../db/declared-tables.ts'
import { selectRaw } from '../../db/rows.ts'
import type { DatabaseStatus } from '../../db/status.ts'
import { type Finding, findingOf } from './finding.ts'

/** Migrations that were not applied. */
export const pendingMigrations = ({ pending }: DatabaseStatus): Finding[] =>
  pending.map((name) => findingOf('migrations')(`${name} is pending`, 'npx tenon migrate'))

const MEND = 'npm run migration <name> where no migration has it, else make it again by hand'

/** What the database has otherwise than the code declares it: tables, columns, types, null, indexes and constraints. */
export async function drift(db: Database, { pending, missing }: DatabaseStatus): Promise<Finding[]> {
  if (pending.length > 0) return []
  const found = findingOf('drift')
  const there = await readTables(db)
  const tables = await declaredTables()
  return [
    ...missing.map((what) => found(`the database lacks ${what}`, MEND)),
    ...tables.flatMap((table) => differences(table, there)).map((what) => found(what, MEND))
  ]
}

interface Tables {
  /** By `table.column`. */
  columns: Map<string, { type: string; notNull: boolean }>
  /** Indexes and constraints, as `table.name`. */
  named: Set<string>
}

async function readTables(db: Database): Promise<Tables> {
  const columns = await selectRaw<{ name: string; type: string; not_null: boolean }>(
    db,
    sql`select relname || '.' || attname as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null
      from pg_class join pg_attribute on attrelid = pg_class.oid
      where relkind in ('r', 'p') and pg_table_is_visible(pg_class.oid) and attnum > 0 and not attisdropped`
  )
  const named = await selectRaw<{ name: string }>(
    db,
    sql`select relname || '.' || (select relname from pg_class index where index.oid = indexrelid) as name
        from pg_index join pg_class on pg_class.oid = indrelid where pg_table_is_visible(indrelid) and indisvalid
      union select relname || '.' || conname from pg_constraint join pg_class on pg_class.oid = conrelid
        where pg_table_is_visible(conrelid)`
  )
  return {
    columns: new Map(columns.map(({ name, type, not_null: notNull }) => [name, { type, notNull }])),
    named: new Set(named.map(({ name }) => name))
  }
}

function differences(table: PgTable, there: Tables): string[] {
  const { name, columns, indexes, foreignKeys, checks, uniqueConstraints } = getTableConfig(table)
  const found: string[] = []
  for (const column of columns) {
    const real = there.columns.get(`${name}.${column.name}`)
    if (!real) continue
    const type = typeName(column.getSQLType())
    if (real.type !== type) found.push(`${name}.${column.name} is ${real.type}, and declared as ${type}`)
    if (real.notNull !== (column.notNull || column.primary))
      found.push(`${name}.${column.name} ${real.notNull ? 'refuses' : 'takes'} null, otherwise than declared`)
  }
  const names = [
    ...indexes.map(({ config }) => config.name),
    ...foreignKeys.map((key) => key.getName()),
    ...checks.map((check) => check.name),
    ...uniqueConstraints.map((constraint) => constraint.getName()),
    ...columns.flatMap(({ isUnique, uniqueName }) => (isUnique ? [uniqueName] : []))
  ]
  const isThere = columns.some((column) => there.columns.has(`${name}.${column.name}`))
  const missing = names.filter((one) => isThere && one && !there.named.has(`${name}.${one.slice(0, MAX_NAME)}`))
  return [...found, ...missing.map((one) => `${name} lacks ${one}`)]
}

// PostgreSQL cuts longer names.
const MAX_NAME = 63

const SYNONYMS: [drizzle: RegExp, postgres: string][] = [
  [/^(small|big)?serial/, '$1int'],
  [/^bigint$|^bigint(?=\[)/, 'bigint'],
  [/^int(?=\b)(?!eger|erval)/, 'integer'],
  [/^smallint$/, 'smallint'],
  [/^varchar/, 'character varying'],
  [/^char\b(?!acter)/, 'character'],
  [/^time\b(?! with)(\(\d\))?$/, 'time$1 without time zone'],
  [/^timestamp\b(?! ?(\(\d\) )?with)(\(\d\))?$/, 'timestamp$2 without time zone']
]

/** The name of a type as PostgreSQL gives it. */
function typeName(declared: string): string {
  const text = declared.replace(/ \(/, '(').replace(/, (?=\d)/, ',')
  return SYNONYMS.reduce((name, [from, to]) => name.replace(from, to), text)
}
