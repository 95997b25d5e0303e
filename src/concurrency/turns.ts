import { setImmediate as nextTurn } from 'node:timers/promises'

// A health probe during long work waits for this, and for one step of the work.
const TURN_MS = 8

/**
 * Lets other requests run during long work. Call the returned function between steps: it gives a promise to wait for
 * once the work has held the event loop for 8 ms, and costs 50 ns otherwise.
 */
export function takeTurns(): () => Promise<void> | undefined {
  let since = performance.now()
  return function pause() {
    if (performance.now() - since < TURN_MS) return undefined
    return nextTurn().then(() => {
      since = performance.now()
    })
  }
}
