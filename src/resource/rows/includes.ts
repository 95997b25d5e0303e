import { and, asc, eq, getTableName, sql } from 'drizzle-orm'
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { authorize } from '#src/identity/access.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import type { ResourceContext } from '../context.ts'
import { type CompiledInclude, OWN_KEY, pointerName, type Resource, type Row } from '../model.ts'
import { arrayText } from './sql.ts'

/** The includes that a request asks for (`lines.product` is an include inside an include), and its caller. */
export interface Asked {
  include?: string[] | undefined
  principal: Principal | null
}

const NOTHING: Asked = { principal: null }

/**
 * Adds the values of rows that are not their own columns: includes, with one statement for each however many rows there
 * are, and fields computed from the row. What the caller may not see is taken from them.
 */
export async function attachIncludes(context: ResourceContext, rows: Row[], asked: Asked = NOTHING): Promise<void> {
  await attachAll(context, rows, { includes: context.resource.includes, path: '', asked })
  const { computed, declaration } = context.resource
  for (const [name, from] of computed) for (const row of rows) row[name] = from(row)
  await declaration.withhold?.(rows as never[], asked.principal)
}

interface Level {
  includes: Map<string, CompiledInclude>
  /** The path in the answer: `lines.`. */
  path: string
  asked: Asked
}

async function attachAll(context: ResourceContext, rows: Row[], { includes, path, asked }: Level): Promise<void> {
  const wanted = wantedOf(includes, path, asked)
  for (const [, { access }] of wanted) if (access) authorize(asked.principal, access)
  if (rows.length === 0) return
  await Promise.all(wanted.map(([name, include]) => attach(context, rows, { name, include, path: path + name, asked })))
}

/** The tables that an answer is read from; undefined when one of the includes is guarded. */
export function tablesRead({ table, includes }: Resource, include: string[] | undefined): string[] | undefined {
  const tables = new Set([getTableName(table)])
  const isForAll = addTables(tables, { includes, path: '', asked: { include, principal: null } })
  return isForAll ? [...tables] : undefined
}

function addTables(tables: Set<string>, { includes, path, asked }: Level): boolean {
  return wantedOf(includes, path, asked).every(([name, include]) => {
    tables.add(getTableName(include.table))
    if (include.through) tables.add(getTableName(include.through.table))
    return !include.access && addTables(tables, { includes: include.includes, path: `${path}${name}.`, asked })
  })
}

const wantedOf = (includes: Level['includes'], path: string, asked: Asked) =>
  [...includes].filter(([name, { isAlways }]) => isAlways || isAsked(asked, path + name))

// An include inside an include needs the outer one.
const isAsked = ({ include = [] }: Asked, path: string) =>
  include.some((one) => one === path || one.startsWith(`${path}.`))

interface One {
  name: string
  include: CompiledInclude
  path: string
  asked: Asked
}

async function attach(context: ResourceContext, rows: Row[], { name, include, path, asked }: One): Promise<void> {
  const pointer = pointerName(name)
  const keys = [...new Set(rows.map((row) => row[pointer]).filter((key) => key !== null))]
  const ownerId = ownerOfIncluded(include, asked.principal)
  const found = keys.length === 0 ? [] : await find(context, path, include, { keys: keys as string[], ownerId })
  await attachAll(context, found, { includes: include.includes, path: `${path}.`, asked })
  if (include.many) {
    const groups = Map.groupBy(found, (row) => row[OWN_KEY])
    for (const row of rows) row[name] = once(groups.get(row[pointer]) ?? [])
  } else {
    const byKey = new Map(found.map((row) => [row[OWN_KEY], row]))
    for (const row of rows) row[name] = byKey.get(row[pointer]) ?? null
  }
}

// The access to an owned include was checked before, so there is a principal.
function ownerOfIncluded({ owner, access }: CompiledInclude, principal: Principal | null): string | undefined {
  if (!owner) return undefined
  const { userId } = principal as Principal
  return canSeeAllRows(principal as Principal, (access as string).split(':')[0] as string) ? undefined : userId
}

// Two rows of the table between may name the same row.
function once(rows: Row[]): Row[] {
  if (rows[0]?.['@through'] === undefined) return rows
  return [...new Map(rows.map((row) => [row['@through'], row])).values()]
}

interface Wanted {
  keys: string[]
  /** The required owner of the rows; undefined for any owner. */
  ownerId: string | undefined
}

// Rows that do not depend on the caller are read in one batch with those of other requests. Each request gets copies,
// since it may add nested includes to its rows.
async function find(
  context: ResourceContext,
  path: string,
  include: CompiledInclude,
  { keys, ownerId }: Wanted
): Promise<Row[]> {
  const read = (some: string[]) => load(context, path, include, { keys: arrayText(some), owner: ownerId })
  if (!context.batched || ownerId !== undefined) return read(keys)
  const batched = context.batched.included(path, async (some) => Map.groupBy(await read(some), keyOf))
  const found = await Promise.all(keys.map((key) => batched.get(key)))
  return found.flatMap((rows = []) => rows.map((row) => ({ ...row })))
}

const keyOf = (row: Row) => row[OWN_KEY] as string

interface Values extends Record<string, unknown> {
  keys: string
  owner: string | undefined
}

function load({ db, statements }: ResourceContext, path: string, include: CompiledInclude, values: Values) {
  const isOwned = values.owner !== undefined
  const statement = statements.get(`include ${path} ${isOwned}`, (name) => {
    const { table, through, selection } = include
    const key = selection[OWN_KEY] as AnyPgColumn
    const sorted = include.sort ? [asc(columnOf(table, include.sort))] : []
    const select = db
      .select(selection as Record<string, AnyPgColumn>)
      .from(table)
      .$dynamic()
    if (through) select.innerJoin(through.table, eq(columnOf(through.table, through.to), columnOf(table, 'id')))
    return select
      .where(
        and(
          sql`${key} = any(${sql.placeholder('keys')}::uuid[])`,
          isOwned ? eq(columnOf(table, include.owner as string), sql.placeholder('owner')) : undefined
        )
      )
      .orderBy(...sorted)
      .prepare(name)
  })
  return statement.execute(values) as Promise<Row[]>
}

const columnOf = (table: PgTable, name: string) =>
  (table as unknown as Record<string, AnyPgColumn>)[name] as AnyPgColumn
