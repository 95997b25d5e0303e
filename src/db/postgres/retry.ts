import { setTimeout as sleep } from 'node:timers/promises'
import { currentScope, isAbandoned } from '#src/concurrency/request-scope.ts'
import { findPgError } from '../errors.ts'

// Serialization failure and deadlock: PostgreSQL undid all of it, and says that it may be tried again. And a column that is
// not there: after a migration has dropped one, a trigger with transition tables fails once with the plan that it had kept.
const REPEATABLE = new Set(['40001', '40P01', '42703'])
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
      const isRepeatable = REPEATABLE.has(findPgError(error)?.code ?? '')
      const caller = currentScope()
      if (!isRepeatable || repetition > MAX_REPETITIONS || (caller && isAbandoned(caller))) throw error
      // The delay is random, because the other transaction of the conflict retries as well.
      await sleep(Math.random() * PAUSE_MS * repetition)
    }
  }
}
