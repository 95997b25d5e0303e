import { sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Database } from '#src/db/database.ts'
import { ApiError, validationFailed } from '#src/errors.ts'
import { causeOf } from '#src/events/cause.ts'
import type { Principal } from '#src/identity/principal.ts'
import type { Asked } from '../asked.ts'
import type { Touched } from '../declaration.ts'
import type { Resource, Row } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { bareName, commaList, jsonRows } from '../rows/sql.ts'
import { mergePatch, ruleFaults } from '../rules.ts'
import { keyText } from './constraints.ts'
import { type Insert, insertMany } from './insert-many.ts'
import { failed, type Outcome } from './outcome.ts'
import type { Sent } from './prepare.ts'
import { type Write, writeOthers } from './settle.ts'
import { type Upsert, upsertMany } from './upsert-many.ts'

/** Lets a statement write only the items that the resource's guard allows, in one transaction with the guard. */
export function withGuard<T>(
  { declaration: { guard } }: Resource,
  asked: Asked,
  touchedBy: (item: T) => Touched,
  write: Write<T>
): Write<T> {
  if (!guard) return write
  return (db, items) =>
    db.transaction(async (tx) => {
      const touched = items.map(touchedBy)
      const judge = await guard({
        db: tx,
        principal: asked.principal as Principal,
        cause: causeOf(asked),
        items: touched
      })
      const refusals = touched.map((item) => refusalOf(judge, item))
      return writeOthers(tx, items, refusals, write)
    })
}

function refusalOf(judge: (item: Touched) => void, item: Touched): Outcome | undefined {
  try {
    judge(item)
    return undefined
  } catch (error) {
    /* c8 ignore next -- a guard that is broken fails the request */
    if (!(error instanceof ApiError)) throw error
    return failed(error, item.id)
  }
}

/** Inserts the items that the guard allows. */
export function insertGuarded(insert: Insert, asked: Asked): Write<Sent> {
  const plain = insertMany(insert)
  const write: Write<Sent> = (db, items) =>
    plain(
      db,
      items.map(({ columns }) => columns)
    )
  return withGuard(insert.resource, asked, ({ body }) => ({ body }), write)
}

/**
 * Upserts what neither the guard nor the rules refuse. They see which stored row an item would change, as it is then:
 * those are found by their key and locked first, and no other is touched, also not one that came in between.
 */
export function upsertGuarded(upsert: Upsert, asked: Asked): Write<Sent> {
  const { resource, key } = upsert
  const { guard, rules } = resource.declaration
  if (!guard && !rules) return upsertMany(upsert)
  const writeLocated = withGuard<Located>(
    resource,
    asked,
    ({ body, row }) => ({ body, id: row?.id }),
    (db, items) => upsertMany({ ...upsert, touchable: items.flatMap(({ row }) => row?.id ?? []) })(db, items)
  )
  return (db, items) =>
    db.transaction(async (tx) => {
      const stored = await lockByKey(tx, upsert, items)
      const located = items.map((item) => ({ ...item, row: stored.get(keyText(key, item.columns)) }))
      const refusals = located.map(({ row, body }) => {
        if (!row) return undefined
        const faults = ruleFaults(resource, mergePatch(row, body))
        return faults.length > 0 ? failed(validationFailed(faults), row.id) : undefined
      })
      return writeOthers(tx, located, refusals, writeLocated)
    })
}

type Located = Sent & { row: Row | undefined }

// Only rows that the caller may touch: the result of a rule or a guard on another user's row would reveal its contents.
async function lockByKey(tx: Database, { resource, key, ownerId }: Upsert, items: Sent[]): Promise<Map<string, Row>> {
  const { table, columns, selection } = resource
  const names = commaList(key.columns.map(bareName))
  const values = items.map((item) => Object.fromEntries(key.keys.map((name) => [name, item.columns[name]])))
  const marks = Object.fromEntries(key.columns.map((column, index) => [`@key${index}`, column]))
  const rows = await tx
    .select({ ...(selection as Record<string, AnyPgColumn>), ...marks })
    .from(table)
    .where(
      sql`(${commaList(key.columns.map((column) => sql`${column}`))}) in (
        select ${names} from jsonb_populate_recordset(null::${table}, ${jsonRows(resource, values)}::jsonb))
        and ${isOwned(resource, ownerId)}`
    )
    .orderBy(columns.id as AnyPgColumn)
    .for('update')
  const valuesOf = (row: Record<string, unknown>) =>
    Object.fromEntries(key.keys.map((name, index) => [name, row[`@key${index}`]]))
  return new Map(rows.map((row) => [keyText(key, valuesOf(row)), row as unknown as Row]))
}
