import { setTimeout as sleep } from 'node:timers/promises'
import { currentScope, isAbandoned } from '#src/concurrency/request-scope.ts'
import { findPgError } from '../errors.ts'

// Serialization failure and deadlock: PostgreSQL undid all of it, and says that it may be tried again.
const REPEATABLE = new Set(['40001', '40P01'])
// The function of PostgreSQL that finds a plan to be older than its table, of which a column was dropped (42703) or has another
// type (42804) by now. A statement that a migration overtakes fails once by it. A column that is missing in the statement itself
// is told by another function, at every try.
const STALE_PLAN = 'CheckVarSlotCompatibility'
const MAX_REPETITIONS = 3
const PAUSE_MS = 20

/**
 * Runs a statement or a whole transaction, and repeats it after a conflict with another one, at most three times.
 * Only for work that had no effect when it failed: nothing was committed, and nothing was sent to the caller.
 */
export async function repeated<T>(work: () => Promise<T>): Promise<T> {
  let repetition = 0
  for (;;) {
    try {
      return await work()
    } catch (error) {
      repetition += 1
      const caller = currentScope()
      if (!isRepeatable(error) || repetition > MAX_REPETITIONS || (caller && isAbandoned(caller))) throw error
      // The delay is random, because the other transaction of the conflict retries as well.
      await sleep(Math.random() * PAUSE_MS * repetition)
    }
  }
}

function isRepeatable(error: unknown): boolean {
  const { code, routine } = findPgError(error) ?? {}
  return REPEATABLE.has(code as string) || routine === STALE_PLAN
}
