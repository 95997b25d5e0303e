import type { Database } from '../db/database.ts'
import { type Cause, causeOf, setCause } from '../events/cause.ts'
import type { Asked } from './asked.ts'
import type { Resource } from './model.ts'

/** What the events of a change name; undefined for a resource without events. */
export const causeIn = (request: Asked, { declaration: { events } }: Resource): Cause | undefined =>
  events && causeOf(request)

/**
 * Runs several statements, or one that has no place for the cause of its events, in a transaction that has it.
 * @param step the row that takes a step with a verb of its own, as `setCause` says.
 */
export function caused<T>(
  db: Database,
  cause: Cause | undefined,
  work: (db: Database) => Promise<T>,
  step?: { id: string; verb: string }
): Promise<T> {
  if (!cause) return work(db)
  return db.transaction(async (tx) => {
    await setCause(tx, cause, step)
    return work(tx)
  })
}
