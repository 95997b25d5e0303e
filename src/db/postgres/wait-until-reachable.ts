import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError } from '#src/errors.ts'
import { findPgError, isLostConnection } from '../errors.ts'

const TRY_EVERY_MS = 500
const SAY_EVERY_MS = 10_000

/**
 * Runs work that needs the database, and repeats it while the database is unreachable: instances and their database
 * start in any order.
 * @param onWait is told what the driver says, at once and every ten seconds.
 * @throws errors that waiting does not solve, such as a wrong password or a database that does not exist.
 */
export async function whenReachable<T>(work: () => Promise<T>, onWait: (reason: string) => void): Promise<T> {
  let saidAt = Number.NEGATIVE_INFINITY
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const reason = reasonToWait(error)
      if (reason === undefined) throw error
      if (performance.now() - saidAt >= SAY_EVERY_MS) {
        saidAt = performance.now()
        onWait(reason)
      }
      await sleep(TRY_EVERY_MS)
    }
  }
}

/** What PostgreSQL or the socket says, in one line: drizzle's message carries the statement with its values. */
export function describeFailure(error: unknown): string | undefined {
  const cause = findPgError(error)
  // The socket's message is empty where a name has several addresses.
  return cause && [cause.code, cause.message].filter(Boolean).join(', ')
}

// Lost or refused connections, no answer in time, and a server that says it starts (57P03), stops or is full, or a
// pooler that it has no server (class 08).
function reasonToWait(error: unknown): string | undefined {
  const cause = findPgError(error)
  if (cause) return isLostConnection(cause) || /^(08|57P0|53300)/.test(cause.code) ? describeFailure(cause) : undefined
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof ApiError && one.code === 'UNAVAILABLE') return one.message
  }
  return undefined
}
