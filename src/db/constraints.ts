import { getTableColumns } from 'drizzle-orm'
import { type AnyPgColumn, getTableConfig, type PgTable } from 'drizzle-orm/pg-core'

/** What a constraint of a table guards, in the names of its columns (the camelCase ones that the code uses). */
interface Constraint {
  kind: 'unique' | 'reference' | 'check'
  columns: string[]
  /** What a reference points to. */
  target?: { table: PgTable; columns: AnyPgColumn[] }
}

/** Every constraint of a table by its name in the database, so that a violation can name the field behind it. */
export function constraintsOf(table: PgTable): Map<string, Constraint> {
  const config = getTableConfig(table)
  const keys = new Map(Object.entries(getTableColumns(table)).map(([key, column]) => [column.name, key]))
  const named = (columns: { name: string }[]) => columns.map((column) => keys.get(column.name) as string)
  const found = new Map<string, Constraint>()
  for (const column of config.columns) {
    // An id is made here, and never taken.
    if (column.primary && column.name !== 'id') {
      found.set(`${config.name}_pkey`, { kind: 'unique', columns: named([column]) })
    }
    if (column.uniqueName && column.isUnique) found.set(column.uniqueName, { kind: 'unique', columns: named([column]) })
  }
  for (const key of config.uniqueConstraints) {
    found.set(key.getName() as string, { kind: 'unique', columns: named(key.columns) })
  }
  for (const key of config.foreignKeys) {
    const { columns, foreignColumns, foreignTable } = key.reference()
    const target = { table: foreignTable as PgTable, columns: foreignColumns as AnyPgColumn[] }
    found.set(key.getName(), { kind: 'reference', columns: named(columns), target })
  }
  for (const check of config.checks) found.set(check.name, { kind: 'check', columns: [] })
  return found
}
