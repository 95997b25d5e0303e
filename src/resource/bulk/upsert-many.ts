import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Database } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'
import type { Columns } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { arrayText, bareName, commaList, jsonRowsInTurns, usedColumns } from '../rows/sql.ts'
import { keyText, type UpsertKey } from './constraints.ts'
import { holderOf, type Insert } from './insert-many.ts'
import { brokenReference, conflict, failed, type Outcome, repeated } from './outcome.ts'
import type { Sent } from './prepare.ts'
import type { Write } from './settle.ts'
import {
  brokenColumns,
  brokenOf,
  hasSameKey,
  insertOrder,
  isWhole,
  lockFor,
  reportedReferences,
  takenBy,
  type Written
} from './sql.ts'

/** An insert of rows that may be there already. */
export interface Upsert extends Insert {
  key: UpsertKey
  /** The only stored rows that may be touched, where a guard has looked at them. */
  touchable?: string[]
}

// A row that another transaction inserted after the statement began is seen by the next one.
const MAX_TRIES = 3

/**
 * Makes the statement that changes the stored rows that have the keys of the items, each by the columns that its item
 * sets, and inserts the others. Stored rows are locked in the order of their ids, new ones are inserted in that of their
 * keys, so that two statements with the same rows wait for each other and never in a circle.
 */
export function upsertMany(upsert: Upsert): Write<Sent> {
  const { key } = upsert
  return async function write(db, items) {
    const outcomes = new Map<Sent, Outcome | undefined>()
    const seen = new Set<string>()
    // Two items for one row in one statement: the second would change what the first made.
    for (const item of items)
      if (seen.size === seen.add(keyText(key, item.columns)).size) outcomes.set(item, failed(repeated(key.fault.path)))
    let left = items.filter((item) => !outcomes.has(item))
    for (let tries = 1; left.length > 0; tries += 1) {
      for (const [item, outcome] of await writeOnce(upsert, db, left)) outcomes.set(item, outcome)
      left = left.filter((item) => !outcomes.get(item))
      /* c8 ignore next -- only when other clients insert and delete the same rows all the time */
      if (tries === MAX_TRIES) for (const item of left.splice(0)) outcomes.set(item, failed(conflict(key.fault)))
    }
    return items.map((item) => outcomes.get(item) as Outcome)
  }
}

// Gives undefined for an item with a row that was inserted while the statement ran.
async function writeOnce(upsert: Upsert, db: Database, items: Sent[]): Promise<[Sent, Outcome | undefined][]> {
  const { resource, key } = upsert
  const patches = items.map(({ patch = {} }) => without(patch, [...key.keys, 'id']))
  const columns = items.map((item) => item.columns)
  const texts = [await jsonRowsInTurns(resource, columns), await jsonRowsInTurns(resource, patches)] as const
  const answers = await selectRaw<Written>(db, upsertSql(upsert, items, patches, texts))
  const byId = new Map(answers.map((answer) => [answer.id, answer]))
  const taken = new Map<string, string>()
  return items.map((item) => {
    const { columns } = item
    const outcome = outcomeOf(upsert, byId.get(columns.id as string) as Written, item, taken)
    if (outcome?.status === 'created')
      for (const unique of upsert.keys.uniques) taken.set(keyText(unique, columns), columns.id as string)
    return [item, outcome]
  })
}

function outcomeOf(
  { keys, key }: Upsert,
  answer: Written,
  item: Sent,
  taken: Map<string, string>
): Outcome | undefined {
  const { done } = answer
  if (done) return { status: done === answer.id ? 'created' : 'updated', id: done }
  const stored = (answer['@stored'] ?? null) as string | null
  const broken = brokenOf(keys, answer)
  if (broken) return failed(brokenReference(broken.fault), stored)
  if (item.insertError) return failed(item.insertError)
  const { index } = holderOf(keys, answer, item.columns, taken)
  // A row of another owner has the key, or another row has one of the other unique values.
  const isTaken = index >= 0 || answer['@foreign']
  /* c8 ignore next -- the row was inserted while the statement ran: the item is tried again */
  if (!isTaken) return undefined
  return failed(conflict((keys.uniques[index] ?? key).fault))
}

function upsertSql(
  { resource, keys, key, ownerId, touchable }: Upsert,
  items: Sent[],
  patches: Columns[],
  [rows, changesText]: readonly [string, string]
): SQL {
  const { table, columns } = resource
  const [version, updatedAt] = [columns.version as AnyPgColumn, columns.updatedAt as AnyPgColumn]
  const changed = usedColumns(resource, patches)
  const changedNames = commaList(changed.map(bareName))
  const names = commaList(
    usedColumns(
      resource,
      items.map((item) => item.columns)
    ).map(bareName)
  )
  // An item that sets nothing changes nothing, so neither the version nor the time moves.
  const isEmpty = sql`item."@patch" = '{}'::jsonb`
  const changes =
    changed.length > 0
      ? [sql`(${changedNames}) = (select ${changedNames} from jsonb_populate_record(target, item."@patch"))`]
      : []
  const isTouchable = touchable ? sql` and target.id = any(${arrayText(touchable)}::uuid[])` : sql``
  return sql`
    with item as materialized (
      select item.*, list.patch as "@patch", list.whole as "@whole"${brokenColumns(keys)}
      from rows from (
        jsonb_array_elements(${rows}::jsonb), jsonb_array_elements(${changesText}::jsonb),
        unnest(${arrayText(items.map((item) => !item.insertError))}::boolean[])
      ) as list(body, patch, whole), jsonb_populate_record(null::${table}, list.body) as item
    ), locked as materialized (
      select target.id as stored, item.id from item join ${table} as target on ${hasSameKey(key, sql`target`)}
      where ${isOwned(resource, ownerId, sql`target`)}${isTouchable}
      order by target.id for ${lockFor(keys, changed)} of target
    ), updated as (
      update ${table} as target set ${commaList([
        ...changes,
        sql`${bareName(updatedAt)} = case when ${isEmpty} then target.${bareName(updatedAt)} else now() end`,
        sql`${bareName(version)} = target.${bareName(version)} + case when ${isEmpty} then 0 else 1 end`
      ])}
      from item join locked on locked.id = item.id
      where target.id = locked.stored and ${isWhole(keys)}
      returning item.id, target.id as stored
    ), inserted as (
      insert into ${table} (${names}) select ${names} from item
      where item."@whole" and ${isWhole(keys)} and not exists (select 1 from locked where locked.id = item.id)
      ${insertOrder({ ...keys, uniques: [key] })}
      on conflict do nothing returning ${columns.id as AnyPgColumn} as id
    ), done as (
      select id, stored from updated union all select id, id from inserted
    )
    select item.id, done.stored as done, locked.stored as "@stored",
      exists (select 1 from ${table} as target where ${hasSameKey(key, sql`target`)}) as "@foreign"
      ${reportedReferences(keys)}${takenBy(keys, resource, ownerId)}
    from item left join done on done.id = item.id left join locked on locked.id = item.id`
}

function without(patch: Columns, names: string[]): Columns {
  const kept = { ...patch }
  for (const name of names) delete kept[name]
  return kept
}
