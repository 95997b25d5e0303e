import { setImmediate as nextTurn } from 'node:timers/promises'

// A probe beside long work waits for this, and for what the work does in one step.
const TURN_MS = 8

/**
 * Makes what lets others have their turn during long work: called between its steps, it gives a promise to wait for once
 * the work has held the event loop for 8 ms, and costs 50 ns otherwise.
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
