import { type SQL, sql } from 'drizzle-orm'
import type { Transaction } from '#src/db/database.ts'
import type { Principal } from '#src/identity/principal.ts'

/** The request that makes a change: its events name it. */
export interface Cause {
  userId?: string | undefined
  keyId?: string | undefined
  requestId: string
}

/** The cause of a request's changes. */
export function causeOf({ id, principal }: { id: string; principal: Principal | null }): Cause {
  return { userId: principal?.userId, keyId: principal?.keyId, requestId: id }
}

/** Causes as the triggers read them: by the id of a row, and under `''` for all other rows. */
type Causes = Record<string, Cause & { verb?: string | undefined }>

const setting = (causes: unknown) => sql`set_config('tenon.cause', ${causes}, true)`

/**
 * A condition that always holds, for the `where` of a statement that changes rows: it tells the triggers the cause. So a
 * change without a transaction of its own stays one statement, and requests that share a statement keep their own causes.
 * @param causes the text of `causesText`, or a placeholder for it.
 */
export const isCaused = (causes: unknown): SQL => sql`(select ${setting(causes)}) is not null`

/** The causes of the rows of one statement, by their ids. As an object with these names it would take twice as long. */
export const causesText = (causes: Iterable<[id: string, cause: Cause]>): string =>
  `{${Array.from(causes, ([id, cause]) => `"${id}":${JSON.stringify(cause)}`).join()}}`

/**
 * Tells the triggers the cause of whatever the transaction changes from here on.
 * @param step the row that takes a step with a verb of its own: `paid` instead of `updated`.
 */
export async function setCause(tx: Transaction, cause: Cause, step?: { id: string; verb: string }): Promise<void> {
  const causes: Causes = { '': cause, ...(step && { [step.id.toLowerCase()]: { ...cause, verb: step.verb } }) }
  await tx.execute(sql`select ${setting(JSON.stringify(causes))}`)
}
