import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { selectRaw } from '#src/db/rows.ts'
import type { Columns, Resource } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { arrayText, bareName, commaList, jsonRowsInTurns, usedColumns } from '../rows/sql.ts'
import type { Guard, Keys } from './constraints.ts'
import { brokenReference, conflict, failed, type Outcome, repeated } from './outcome.ts'
import type { Write } from './settle.ts'
import { brokenColumns, brokenOf, inItem, isWhole, reportedReferences, uniqueName, type Written } from './sql.ts'

/** What becomes of an item whose key is taken. */
export type OnConflict = 'fail' | 'skip' | 'update'

/** An insert of many rows of a resource. */
export interface Insert {
  resource: Resource
  keys: Keys
  onConflict: OnConflict
  /** Whose rows an update may touch; undefined for anybody's. */
  ownerId: string | undefined
  /** The only rows that an update may touch, where a guard has looked at them. */
  touchable?: string[]
}

/** Makes the statement that inserts many rows, and reads from its answer what became of each. */
export function insertMany(insert: Insert): Write<Columns> {
  const { keys, onConflict } = insert
  return async function write(db, rows) {
    const isRepeated = onConflict === 'update' && keys.upsert ? repetitions(rows, keys.upsert) : undefined
    const fresh = isRepeated ? rows.filter((row) => !isRepeated.has(row)) : rows
    const text = await jsonRowsInTurns(insert.resource, fresh)
    const answers = await selectRaw<Written>(db, insertSql(insert, fresh, text))
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    const taken = new Map<string, string>()
    return rows.map((row) => {
      const answer = byId.get(row.id as string)
      if (!answer) return failed(repeated((keys.upsert as NonNullable<typeof keys.upsert>).fault.path))
      const outcome = outcomeOf(insert, answer, row, taken)
      if (outcome.status === 'created')
        for (const unique of keys.uniques) taken.set(keyText(unique, row), row.id as string)
      return outcome
    })
  }
}

function outcomeOf({ keys, onConflict }: Insert, answer: Written, row: Columns, taken: Map<string, string>): Outcome {
  if (answer.done) return { status: answer.done === answer.id ? 'created' : 'updated', id: answer.done }
  const broken = brokenOf(keys, answer)
  if (broken) return failed(brokenReference(broken.fault))
  const stored = keys.uniques.findIndex((_, index) => answer[`@unique${index}`])
  const index = stored >= 0 ? stored : keys.uniques.findIndex((unique) => taken.has(keyText(unique, row)))
  const unique = keys.uniques[index]
  const id = unique && ((answer[`@unique${index}`] as string) ?? taken.get(keyText(unique, row)))
  // Without an id it is somebody else's row, or one that came while the statement ran.
  if (onConflict === 'skip') return { status: 'skipped', id: id ?? null }
  return failed(conflict((unique ?? keys.uniques[0])?.fault))
}

// Two rows for one key in one statement are an error of PostgreSQL (21000), so the second never gets there.
function repetitions(rows: Columns[], key: Guard): Set<Columns> {
  const seen = new Set<string>()
  const found = rows.filter((row) => seen.size === seen.add(keyText(key, row)).size)
  return new Set(found)
}

const keyText = ({ key }: Guard, row: Columns) => `${key} ${row[key]}`

function insertSql(insert: Insert, rows: Columns[], text: string): SQL {
  const { resource, keys, onConflict, ownerId } = insert
  const { table, columns } = resource
  const id = columns.id as AnyPgColumn
  const used = usedColumns(resource, rows)
  const names = commaList(used.map(bareName))
  /* c8 ignore next -- where there is no such key the schema has no `update` */
  const key = onConflict === 'update' ? (keys.upsert?.column ?? id) : id
  // Only for what was not inserted: which stored row has its value.
  const stored = keys.uniques.map(
    ({ column }, index) => sql`, case when done.id is null then
      (select ${id} from ${table} where ${column} = ${inItem(column)} and ${isOwned(resource, ownerId)}) end as ${uniqueName(index)}`
  )
  return sql`
    with item as materialized (
      select item.*${brokenColumns(keys)}
      from jsonb_populate_recordset(null::${table}, ${text}::jsonb) as item
    ), done as (
      insert into ${table} (${names}) select ${names} from item where ${isWhole(keys)}
      on conflict ${onConflict === 'update' ? updateSql(insert, key, used) : sql`do nothing`}
      returning ${id} as id, ${key} as key
    )
    select item.id, done.id as done${reportedReferences(keys)}${sql.join(stored)}
    from item left join done on done.key = ${inItem(key)}`
}

function updateSql({ resource, ownerId, touchable }: Insert, key: AnyPgColumn, used: AnyPgColumn[]): SQL {
  const { columns, declaration, table } = resource
  const kept = new Set([columns.id, key, columns[declaration.owner ?? '']])
  const changes = used
    .filter((column) => !kept.has(column))
    .map((column) => sql`${bareName(column)} = excluded.${bareName(column)}`)
  const isTouchable = touchable ? sql` and ${columns.id} = any(${arrayText(touchable)}::uuid[])` : sql``
  return sql`(${bareName(key)}) do update set ${commaList([
    ...changes,
    sql`${bareName(columns.updatedAt as AnyPgColumn)} = now()`,
    sql`${bareName(columns.version as AnyPgColumn)} = ${columns.version} + 1`
  ])} where ${isOwned(resource, ownerId, sql`${table}`)}${isTouchable}`
}
