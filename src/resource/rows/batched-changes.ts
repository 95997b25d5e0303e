import { getTableName, type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { constraintsOf } from '#src/db/constraints.ts'
import { asArrays } from '#src/db/rows.ts'
import { type Cause, causesText, isCaused } from '#src/events/cause.ts'
import type { ResourceContext } from '../context.ts'
import { type Change, type One, OWN_KEY, type Resource, type Source, type Stored } from '../model.ts'
import { ownerColumn } from './ownership.ts'
import { bareName, commaList, jsonRows, usedColumns } from './sql.ts'
import type { Statement } from './statements.ts'

/**
 * Whether a change can be batched. `If-None-Match` of a change is rare, and not worth a place in the batched statement.
 */
export const canShare = ({ precondition }: One): boolean => precondition?.noneOf === undefined

/**
 * The columns that can make a change wait for another transaction: one that uses the same unique value, or one that
 * holds the row that the column points to. A change that sets them is not batched, so that no other request waits with
 * it.
 */
export function waitingColumns({ table }: Resource): Set<string> {
  return new Set([...constraintsOf(table).values()].flatMap(({ columns }) => columns))
}

/**
 * Changes rows with one statement, all or none, except for the rows it leaves out: a row that does not exist, is not
 * the caller's, does not have the version that the caller read, is locked by another transaction, or is changed by an
 * earlier change of the batch. So the statement waits for no row: otherwise one caller would delay the others, and two
 * statements could deadlock.
 * @param changes changes that set none of the `waitingColumns`.
 * @returns the rows in order; undefined for each row that was left out.
 */
export async function updateTogether(context: ResourceContext, changes: Change[]): Promise<(Stored | undefined)[]> {
  const { resource, statements } = context
  const { selection, read } = resource.stored
  const used = usedColumns(
    resource,
    changes.map(({ values }) => values)
  )
  const statement = statements.get(`update ${used.map(({ name }) => name).join()}`, (name) => {
    const { table, columns } = resource
    const names = commaList(used.map(bareName))
    const [version, updatedAt] = [columns.version as AnyPgColumn, columns.updatedAt as AnyPgColumn]
    // Columns that the patch does not name keep their values: the row is the base that the patch is read into.
    const change = sql`
      update ${table} set
        (${names}) = (select ${names} from jsonb_populate_record(${table}.*, "@locked".change)),
        ${bareName(updatedAt)} = now(), ${bareName(version)} = ${version} + 1
      from "@locked" where ${columns.id as AnyPgColumn} = "@locked".id${andCaused(resource)}`
    return prepareShared(context, name, change, selection, sql`no key update`)
  })
  const answers = await runShared(context, statement, changes, read)
  return changes.map((change) => answers.get(change))
}

/**
 * Deletes rows likewise. This waits for transactions that change a row that points to one of them.
 * @returns whether each was deleted, in order.
 */
export async function removeTogether(context: ResourceContext, ones: One[]): Promise<boolean[]> {
  const { table, columns } = context.resource
  const id = columns.id as AnyPgColumn
  const statement = context.statements.get('delete', (name) =>
    prepareShared(
      context,
      name,
      sql`delete from ${table} using "@locked" where ${id} = "@locked".id${andCaused(context.resource)}`,
      { [OWN_KEY]: id },
      sql`update`
    )
  )
  const changes = ones.map((one) => ({ one, values: {} }))
  const gone = await runShared(context, statement, changes, ([key]) => ({ [OWN_KEY]: key as string }))
  return changes.map((change) => gone.has(change))
}

// Each request of the batch is the cause of its own row's event.
const andCaused = ({ declaration: { events } }: Resource) =>
  events ? sql` and ${isCaused(sql.placeholder('causes'))}` : sql``

// The statement locks the rows first, and waits for no lock. The planner expects a hundred rows of a list of changes,
// for which it would read the whole of a table of some thousand rows; it expects ten of an array that it cannot see.
function prepareShared(
  { resource, db }: ResourceContext,
  name: string,
  change: SQL,
  selection: Record<string, Source>,
  lock: SQL
) {
  const { table, columns, declaration } = resource
  const id = columns.id as AnyPgColumn
  const owned = declaration.owner
    ? sql` and (item.change ->> '@owner' is null or ${ownerColumn(resource)}::text = item.change ->> '@owner')`
    : sql``
  const fields = Object.entries(selection)
  const changed = db.$with('@changed', selection as never).as(sql`
    with "@item" as materialized (
      select (change ->> 'id')::uuid as id, change from jsonb_array_elements(${sql.placeholder('changes')}::jsonb) as list(change)
    ), "@locked" as materialized (
      select item.id, item.change from "@item" as item join ${table} on ${id} = item.id
      where ${id} = any(array(select id from "@item"))${owned}
        and (item.change -> '@version' is null or item.change -> '@version' @> to_jsonb(${columns.version as AnyPgColumn}))
      for ${lock} of ${sql.identifier(getTableName(table))} skip locked
    )
    ${change}
    returning ${commaList(fields.map(([field, one]) => sql`${one} as ${sql.identifier(field)}`))}`)
  const answered: [string, SQL][] = fields.map(([field]) => [field, sql`${sql.identifier(field)}`])
  return asArrays(db.with(changed).select(Object.fromEntries(answered)).from(changed).prepare(name))
}

// Gives the statement's answer for each change that it made. It makes only the first of several changes of one row.
async function runShared<A extends { [OWN_KEY]: string }>(
  { resource }: ResourceContext,
  statement: Statement,
  changes: Change[],
  read: (values: unknown[]) => A
): Promise<Map<Change, A>> {
  const firsts = new Map<string, Change>()
  for (const change of changes) {
    const id = change.one.id.toLowerCase()
    if (!firsts.has(id)) firsts.set(id, change)
  }
  const rows = firsts.entries().map(([id, { one, values }]) => {
    return { ...values, id, '@owner': one.ownerId, '@version': one.precondition?.anyOf }
  })
  const causes =
    resource.declaration.events && causesText(firsts.entries().map(([id, { one }]) => [id, one.cause as Cause]))
  const answers = (await statement.execute({ changes: jsonRows(resource, [...rows]), causes })) as unknown[][]
  return new Map(
    answers.map((values) => {
      const answer = read(values)
      return [firsts.get(answer[OWN_KEY]) as Change, answer]
    })
  )
}
