import { getTableName, is, type SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, PgArray, type PgTable } from 'drizzle-orm/pg-core'
import { searchDocument } from '../../db/columns.ts'
import type { Database, Transaction } from '../../db/database.ts'
import { declaredTables } from '../../db/declared-tables.ts'
import { selectRaw } from '../../db/rows.ts'
import type { Resource } from '../seed/plan.ts'
import { type Finding, findingOf } from './finding.ts'

/** A table that is smaller is read as fast without an index. */
const MIN_ROWS = 1000

/** What a declaration lets callers ask for, and the index that serves it. */
interface Demand {
  /** In words: `the filter stock of products`. */
  what: string
  table: string
  /** The column that the index begins with; undefined for an expression. */
  column: string | undefined
  /** A statement that the index serves. */
  probe: SQL
  /** What stands after `on` in the statement that makes the index. */
  on: string
  name: string
}

/**
 * Filters, sorts, searches and includes that no index serves, on tables that have more than a few rows by their statistics.
 * PostgreSQL plans each without reading whole tables, so that an index that it can use is used.
 */
export async function missingIndexes(db: Database, resources: Iterable<Resource>): Promise<Finding[]> {
  const found = findingOf('indexes')
  const sizes = await readSizes(db)
  const demands = new Map<string, Demand>()
  // One index serves a filter and a sort, and two versions of a resource.
  for (const one of [...resources].flatMap(demandsOf)) if (!demands.has(one.name)) demands.set(one.name, one)
  const findings: Finding[] = []
  await db.transaction(async (tx) => {
    for (const setting of ['enable_seqscan', 'enable_sort'])
      await tx.execute(sql`select set_config(${setting}, 'off', true)`)
    const leading = await leadingColumns(tx)
    for (const { what, table, column, probe, on, name } of demands.values()) {
      const rows = sizes.get(table) ?? 0
      if (rows < MIN_ROWS || (await isServed(tx, probe, column, leading))) continue
      const size = Math.round(rows).toLocaleString('en')
      findings.push(
        found(
          `${what} has no index, and ${table} has ${size} rows`,
          `create index concurrently ${name} on ${table} ${on};`
        )
      )
    }
  })
  return findings
}

async function readSizes(db: Database): Promise<Map<string, number>> {
  const rows = await selectRaw<{ name: string; rows: number }>(
    db,
    sql`select relname as name, reltuples::float8 as rows from pg_class where relkind in ('r', 'p') and pg_table_is_visible(oid)`
  )
  return new Map(rows.map(({ name, rows: count }) => [name, count]))
}

/** The first column of each index, by the name of the index. */
async function leadingColumns(db: Database): Promise<Map<string, string>> {
  const rows = await selectRaw<{ name: string; column: string }>(
    db,
    sql`select relname as name, attname as column from pg_index join pg_class on pg_class.oid = indexrelid
      join pg_attribute on attrelid = indrelid and attnum = indkey[0] where pg_table_is_visible(indrelid)`
  )
  return new Map(rows.map(({ name, column }) => [name, column]))
}

interface PlanNode {
  'Node Type': string
  'Index Name'?: string
  'Index Cond'?: string
  'Recheck Cond'?: string
  Plans?: PlanNode[]
}

async function isServed(
  tx: Transaction,
  probe: SQL,
  column: string | undefined,
  leading: Map<string, string>
): Promise<boolean> {
  const [row] = await selectRaw<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(tx, sql`explain (format json) ${probe}`)
  const [top] = (row as { 'QUERY PLAN': [{ Plan: PlanNode }] })['QUERY PLAN']
  const nodes = [...nodesOf(top.Plan)]
  if (nodes.some((node) => node['Node Type'] === 'Sort')) return false
  return nodes.some((node) => {
    const index = node['Index Name']
    if (index === undefined) return false
    return column === undefined ? node['Index Cond'] !== undefined : leading.get(index) === column
  })
}

function* nodesOf(node: PlanNode): Iterable<PlanNode> {
  yield node
  for (const inner of node.Plans ?? []) yield* nodesOf(inner)
}

function demandsOf(resource: Resource): Demand[] {
  const { name, table, fields, columns, declaration, includes } = resource
  const { filter = [], sort = [], search = [] } = declaration.list ?? {}
  const columnOf = (field: string) => (fields.get(field) as { column: AnyPgColumn }).column
  const filters = filter.map((field) => filterDemand(`the filter ${field} of ${name}`, table, columnOf(field)))
  const sorts = sort.map((field) => sortDemand(`the sort ${field} of ${name}`, table, columnOf(field)))
  const searched = search.map((key) => columns[key] as AnyPgColumn)
  return [
    ...filters,
    ...sorts,
    ...(searched.length > 0 ? [searchDemand(`the search of ${name}`, table, searched)] : []),
    ...includeDemands(name, includes)
  ]
}

function includeDemands(name: string, includes: Resource['includes']): Demand[] {
  return [...includes].flatMap(([key, { table, many, through, by, includes: inner }]) => {
    const pointing = (through?.table ?? table) as PgTable & Record<string, AnyPgColumn>
    const own = many ? [filterDemand(`the include ${key} of ${name}`, pointing, pointing[by] as AnyPgColumn)] : []
    return [...own, ...includeDemands(`${name}.${key}`, inner)]
  })
}

function filterDemand(what: string, table: PgTable, column: AnyPgColumn): Demand {
  const isList = is(column, PgArray)
  // A value that is there; an empty table gives none, and is too small anyway.
  const some = sql`(select ${column} from ${table} limit 1)`
  const condition = isList ? sql`${column} @> ${some}` : sql`${column} = ${some}`
  return {
    ...indexOf(table, column, isList),
    what,
    probe: sql`select 1 from ${table} where ${condition}`
  }
}

function sortDemand(what: string, table: PgTable, column: AnyPgColumn): Demand {
  return { ...indexOf(table, column, false), what, probe: sql`select 1 from ${table} order by ${column} limit 20` }
}

function indexOf(table: PgTable, column: AnyPgColumn, isList: boolean) {
  const name = getTableName(table)
  const on = isList ? `using gin (${quoted(column.name)})` : `(${quoted(column.name)}, id)`
  return { table: name, column: column.name, on, name: `${name}_${column.name}_idx` }
}

function searchDemand(what: string, table: PgTable, columns: AnyPgColumn[]): Demand {
  const name = getTableName(table)
  const texts = columns.map((column) => `coalesce(${quoted(column.name)}, '')`).join(" || ' ' || ")
  return {
    what,
    table: name,
    column: undefined,
    probe: sql`select 1 from ${table} where ${searchDocument(columns)} @@ tenon_search_query('a')`,
    on: `using gin (tenon_search_document(${texts}))`,
    name: `${name}_search_idx`
  }
}

const quoted = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name}"`)

/** Foreign keys that no index of their table begins with: to delete what they refer to reads the whole table. */
export async function unindexedKeys(db: Database): Promise<Finding[]> {
  const found = findingOf('foreign keys')
  const declared = JSON.stringify((await declaredTables()).map(getTableName))
  const rows = await selectRaw<{ name: string; table: string; columns: string }>(
    db,
    sql`select conname as name, relname as table,
        (select string_agg(quote_ident(attname), ', ' order by place) from unnest(conkey) with ordinality as key(number, place)
          join pg_attribute on attrelid = conrelid and attnum = number) as columns
      from pg_constraint join pg_class on pg_class.oid = conrelid
      where contype = 'f' and pg_table_is_visible(conrelid)
        and relname in (select jsonb_array_elements_text(${declared}::jsonb)) and not exists (
        select from pg_index where indrelid = conrelid and indisvalid
          and conkey <@ (string_to_array(indkey::text, ' ')::int2[])[1:cardinality(conkey)])
      order by 1`
  )
  return rows.map(({ name, table, columns }) =>
    found(
      `${name} has no index`,
      `create index concurrently ${table}_${columns.replace(/\W+/g, '_')}_idx on ${table} (${columns});`
    )
  )
}
