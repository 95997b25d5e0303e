import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { selectRaw } from '#src/db/rows.ts'
import type { Columns, Resource } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { arrayText, bareName, commaList, jsonRowsInTurns, usedColumns } from '../rows/sql.ts'
import type { Keys } from './constraints.ts'
import { brokenReference, conflict, failed, missing, type Outcome } from './outcome.ts'
import type { Write } from './settle.ts'
import {
  brokenColumns,
  brokenOf,
  hasSameKey,
  isWhole,
  lockFor,
  reportedReferences,
  uniqueName,
  type Written
} from './sql.ts'

interface Change {
  resource: Resource
  keys: Keys
  /** The owner of the rows that may be touched; undefined for rows of any owner. */
  ownerId: string | undefined
}

/** Makes the statement that changes many rows by their ids, each by its own columns. */
export function changeMany(change: Change): Write<Columns> {
  const { keys } = change
  return async function write(db, rows) {
    const text = await jsonRowsInTurns(change.resource, rows)
    const answers = await selectRaw<Written>(db, changeSql(change, rows, text))
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    return rows.map(({ id }): Outcome => {
      const answer = byId.get(id as string) as Written
      if (answer.done) return { status: 'updated', id: answer.done }
      // A row that does not exist, or belongs to another owner, is reported as missing before any other fault.
      if (!answer['@known']) return failed(missing(), id as string)
      const broken = brokenOf(keys, answer)
      if (broken) return failed(brokenReference(broken.fault), id as string)
      const taken = keys.uniques.find((_, index) => answer[`@unique${index}`])
      return failed(conflict(taken?.fault), id as string)
    })
  }
}

function changeSql({ resource, keys, ownerId }: Change, rows: Columns[], text: string): SQL {
  const { table, columns } = resource
  const id = columns.id as AnyPgColumn
  const [version, updatedAt] = [columns.version as AnyPgColumn, columns.updatedAt as AnyPgColumn]
  const used = usedColumns(resource, rows).filter((column) => column !== id)
  const uniques = keys.uniques.map(
    (unique, index) => sql`,
      exists (select 1 from ${table} as holder where ${hasSameKey(unique, sql`holder`)} and holder.id <> item.id)
      as ${uniqueName(index)}`
  )
  const isFree = keys.uniques.map((_, index) => sql` and not item.${uniqueName(index)}`)
  const names = commaList(used.map(bareName))
  // Columns that the patch does not name keep their values: the row is the base that the patch is read into.
  const changes =
    used.length > 0 ? [sql`(${names}) = (select ${names} from jsonb_populate_record(target, item."@patch"))`] : []
  // An empty patch changes nothing, so neither the version nor the time moves.
  const isEmpty = sql`item."@patch" - 'id' = '{}'::jsonb`
  return sql`
    with patch as materialized (
      select item.*, list.patch as "@patch"${brokenColumns(keys)}
      from jsonb_array_elements(${text}::jsonb) as list(patch),
        jsonb_populate_record(null::${table}, list.patch) as item
    ), item as materialized (
      select item.*${sql.join(uniques)} from patch as item
    ), locked as materialized (
      select target.id from ${table} as target join item on item.id = target.id
      where ${isOwned(resource, ownerId, sql`target`)} order by target.id for ${lockFor(keys, used)} of target
    ), done as (
      update ${table} as target set ${commaList([
        ...changes,
        sql`${bareName(updatedAt)} = case when ${isEmpty} then target.${bareName(updatedAt)} else now() end`,
        sql`${bareName(version)} = target.${bareName(version)} + case when ${isEmpty} then 0 else 1 end`
      ])}
      from item join locked on locked.id = item.id where target.id = item.id and ${isWhole(keys)}${sql.join(isFree)}
      returning target.id
    )
    select item.id, done.id as done,
      exists (select 1 from ${table} where ${id} = item.id and ${isOwned(resource, ownerId)}) as "@known"
      ${reportedReferences(keys)}${sql.join(keys.uniques.map((_, index) => sql`, item.${uniqueName(index)}`))}
    from item left join done on done.id = item.id`
}

/** Makes the statement that deletes many rows by their ids. */
export function removeMany({ resource, ownerId }: Omit<Change, 'keys'>): Write<string> {
  const { table } = resource
  return async function write(db, ids) {
    const removed = await selectRaw<{ id: string }>(
      db,
      sql`
        with locked as materialized (
          select target.id from ${table} as target
          where target.id = any(${arrayText(ids)}::uuid[]) and ${isOwned(resource, ownerId, sql`target`)}
          order by target.id for update
        )
        delete from ${table} as target using locked where target.id = locked.id returning target.id`
    )
    const gone = new Set(removed.map((row) => row.id))
    return ids.map((one): Outcome => (gone.has(one) ? { status: 'deleted', id: one } : failed(missing(), one)))
  }
}
