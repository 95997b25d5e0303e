import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { selectRaw } from '#src/db/rows.ts'
import type { Columns, Resource } from '../model.ts'
import { bareName, commaList, jsonRowsInTurns, usedColumns } from '../rows/sql.ts'
import { type Keys, keyText } from './constraints.ts'
import { brokenReference, conflict, failed, type Outcome } from './outcome.ts'
import type { Write } from './settle.ts'
import { brokenColumns, brokenOf, insertOrder, isWhole, reportedReferences, takenBy, type Written } from './sql.ts'

/** What happens to an item with a key that is taken. */
export type OnConflict = 'fail' | 'skip' | 'update' | 'replace'

/** An insert of many rows of a resource. */
export interface Insert {
  resource: Resource
  keys: Keys
  onConflict: OnConflict
  /** The owner of the rows that an update may touch and the answer may name; undefined for rows of any owner. */
  ownerId: string | undefined
}

/** Makes the statement that inserts many rows, and reads the outcome of each row from its answer. */
export function insertMany(insert: Insert): Write<Columns> {
  const { keys } = insert
  return async function write(db, rows) {
    const text = await jsonRowsInTurns(insert.resource, rows)
    const answers = await selectRaw<Written>(db, insertSql(insert, rows, text))
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    const taken = new Map<string, string>()
    return rows.map((row) => {
      const outcome = outcomeOf(insert, byId.get(row.id as string) as Written, row, taken)
      if (outcome.status === 'created')
        for (const unique of keys.uniques) taken.set(keyText(unique, row), row.id as string)
      return outcome
    })
  }
}

function outcomeOf({ keys, onConflict }: Insert, answer: Written, row: Columns, taken: Map<string, string>): Outcome {
  if (answer.done) return { status: 'created', id: answer.done }
  const broken = brokenOf(keys, answer)
  if (broken) return failed(brokenReference(broken.fault))
  const { index, id } = holderOf(keys, answer, row, taken)
  // Without an id the row belongs to another owner, or was inserted while the statement ran.
  if (onConflict === 'skip') return { status: 'skipped', id: id ?? null }
  return failed(conflict((keys.uniques[index] ?? keys.uniques[0])?.fault))
}

/** Which unique value of a row is taken, and by which row: a stored one, or one of the same statement. */
export function holderOf({ uniques }: Keys, answer: Written, row: Columns, taken: Map<string, string>) {
  const stored = uniques.findIndex((_, index) => answer[`@unique${index}`])
  if (stored >= 0) return { index: stored, id: answer[`@unique${stored}`] as string }
  const index = uniques.findIndex((unique) => taken.has(keyText(unique, row)))
  return { index, id: index < 0 ? undefined : taken.get(keyText(uniques[index] as (typeof uniques)[number], row)) }
}

function insertSql({ resource, keys, ownerId }: Insert, rows: Columns[], text: string): SQL {
  const { table, columns } = resource
  const id = columns.id as AnyPgColumn
  const names = commaList(usedColumns(resource, rows).map(bareName))
  return sql`
    with item as materialized (
      select item.*${brokenColumns(keys)}
      from jsonb_populate_recordset(null::${table}, ${text}::jsonb) as item
    ), done as (
      insert into ${table} (${names}) select ${names} from item where ${isWhole(keys)}${insertOrder(keys)}
      on conflict do nothing returning ${id} as id
    )
    select item.id, done.id as done${reportedReferences(keys)}${takenBy(keys, resource, ownerId)}
    from item left join done on done.id = item.id`
}
