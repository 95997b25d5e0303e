import { is } from 'drizzle-orm'
import { PgTransaction } from 'drizzle-orm/pg-core'
import type { Database } from '#src/db/database.ts'
import { findPgError, toApiError } from '#src/db/errors.ts'
import type { ApiError } from '#src/errors.ts'
import type { Cause } from '#src/events/cause.ts'
import { caused } from '../caused.ts'
import type { Resource } from '../model.ts'
import { failed, type Outcome } from './outcome.ts'

/** Writes items with one statement, and gives the outcome of each, in their order. */
export type Write<T> = (db: Database, items: T[]) => Promise<Outcome[]>

/**
 * Writes items in one statement. The statement itself reports some faults item by item: values taken, references to
 * nothing, ids that do not exist. A row that PostgreSQL refuses after all (a check, a row that is still in use, a race)
 * fails the statement. Only then the items are written in halves, each in a savepoint, down to the one at fault: at
 * most twice as many statements as items.
 */
export async function settle<T>(
  { resource, db }: { resource: Resource; db: Database },
  items: T[],
  write: Write<T>
): Promise<Outcome[]> {
  if (items.length === 0) return []
  try {
    // Inside a transaction, such as a dry run, a failed statement would undo everything before it.
    return await (is(db, PgTransaction) ? db.transaction((savepoint) => write(savepoint, items)) : write(db, items))
  } catch (error) {
    /* c8 ignore next -- the database went away: that is no fault of an item */
    if (!dataError(resource, error)) throw error
    return db.transaction((tx) => halve(resource, tx, items, write))
  }
}

/**
 * The same, all or nothing: when an item fails, what `refuse` makes of the outcomes is thrown and nothing stays.
 */
export async function settleWhole<T>(
  { resource, db }: { resource: Resource; db: Database },
  items: T[],
  write: Write<T>,
  refuse: (outcomes: Outcome[]) => ApiError
): Promise<Outcome[]> {
  const keepAll = (run: (tx: Database) => Promise<Outcome[]>) =>
    db.transaction(async (tx) => {
      const outcomes = await run(tx)
      if (outcomes.some(({ status }) => status === 'failed')) throw refuse(outcomes)
      return outcomes
    })
  try {
    return await keepAll((tx) => write(tx, items))
  } catch (error) {
    /* c8 ignore next -- the database went away: that is no fault of an item */
    if (!dataError(resource, error)) throw error
    return keepAll((tx) => halve(resource, tx, items, write))
  }
}

/** Lets a statement tell the triggers the cause of its events. */
export function withCause<T>(cause: Cause | undefined, write: Write<T>): Write<T> {
  return cause ? (db, items) => caused(db, cause, (tx) => write(tx, items)) : write
}

/** Writes the items that are not refused already, and puts their outcomes between the refusals. */
export async function writeOthers<T>(
  db: Database,
  items: T[],
  refusals: (Outcome | undefined)[],
  write: Write<T>
): Promise<Outcome[]> {
  const others = items.filter((_, index) => !refusals[index])
  const outcomes = (others.length === 0 ? [] : await write(db, others)).values()
  return refusals.map((refusal) => refusal ?? (outcomes.next().value as Outcome))
}

async function halve<T>(resource: Resource, tx: Database, items: T[], write: Write<T>): Promise<Outcome[]> {
  try {
    return await tx.transaction((savepoint) => write(savepoint, items))
  } catch (error) {
    const refusal = dataError(resource, error)
    /* c8 ignore next -- as above */
    if (!refusal) throw error
    if (items.length === 1) return [failed(refusal)]
    const middle = items.length >> 1
    const first = await halve(resource, tx, items.slice(0, middle), write)
    return [...first, ...(await halve(resource, tx, items.slice(middle), write))]
  }
}

// Only errors about the values of a row can spare other rows: SQLSTATE classes 22 and 23, and 54000 for a value that is
// too long for an index.
function dataError({ faults }: Resource, error: unknown): ApiError | undefined {
  const code = findPgError(error)?.code ?? ''
  return /^(2[23]|54000)/.test(code) ? toApiError(error, (name) => faults.get(name)) : undefined
}
