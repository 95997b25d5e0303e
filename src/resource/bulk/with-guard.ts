import { inArray } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import type { Principal } from '#src/identity/principal.ts'
import type { Touched } from '../declaration.ts'
import type { Resource } from '../model.ts'
import { type Insert, insertMany } from './insert-many.ts'
import { failed, type Outcome } from './outcome.ts'
import type { Sent } from './prepare.ts'
import { type Write, writeOthers } from './settle.ts'

/** Lets a statement write only what the guard of the resource does not refuse, in one transaction with the guard. */
export function withGuard<T>(
  { declaration: { guard } }: Resource,
  principal: Principal | null,
  touchedBy: (item: T) => Touched,
  write: Write<T>
): Write<T> {
  if (!guard) return write
  return (db, items) =>
    db.transaction(async (tx) => {
      const touched = items.map(touchedBy)
      const judge = await guard({ db: tx, principal: principal as Principal, items: touched })
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

/**
 * Inserts what the guard does not refuse. With `onConflict: update` it sees which stored row an item would change: those
 * are found by their key and locked first, and no other is touched, also not one that came in between.
 */
export function insertGuarded(insert: Insert, principal: Principal | null): Write<Sent> {
  const { resource, keys, onConflict } = insert
  const columnsOf = (items: Sent[]) => items.map(({ columns }) => columns)
  const plain = insertMany(insert)
  const write: Write<Sent> = (db, items) => plain(db, columnsOf(items))
  const key = keys.upsert
  if (!resource.declaration.guard || onConflict !== 'update' || !key)
    return withGuard(resource, principal, ({ body }) => ({ body }), write)
  const writeLocated = withGuard<Located>(
    resource,
    principal,
    ({ body, id }) => ({ body, id }),
    (db, items) => insertMany({ ...insert, touchable: items.flatMap(({ id }) => id ?? []) })(db, columnsOf(items))
  )
  return (db, items) =>
    db.transaction(async (tx) => {
      const values = items.map(({ columns }) => columns[key.key])
      const stored = await lockByKey(tx, resource, key.column, values)
      const located = items.map((item, index) => ({ ...item, id: stored.get(String(values[index])) }))
      return writeLocated(tx, located)
    })
}

type Located = Sent & { id: string | undefined }

async function lockByKey(tx: Database, { table, columns }: Resource, key: AnyPgColumn, values: unknown[]) {
  const id = columns.id as AnyPgColumn
  const rows = await tx.select({ id, key }).from(table).where(inArray(key, values)).orderBy(id).for('update')
  return new Map(rows.map((row) => [String(row.key), row.id as string]))
}
