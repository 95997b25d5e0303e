import type { Test } from 'tap'

/**
 * Takes over new intervals of one length. Other timers keep running: a mocked clock would advance all of them by a day.
 * @returns a function that runs the intervals once.
 */
export function takeIntervals(t: Test, everyMs: number): () => void {
  const taken = new Map<NodeJS.Timeout, () => void>()
  const { setInterval: begin, clearInterval: end } = globalThis
  const beginTaken = (run: () => void, ms?: number) => {
    const timer = begin(ms === everyMs ? () => {} : run, ms)
    if (ms === everyMs) taken.set(timer, run)
    return timer
  }
  const endTaken = (timer: NodeJS.Timeout) => {
    taken.delete(timer)
    end(timer)
  }
  Object.assign(globalThis, { setInterval: beginTaken, clearInterval: endTaken })
  t.teardown(() => Object.assign(globalThis, { setInterval: begin, clearInterval: end }))
  return () => {
    for (const run of taken.values()) run()
  }
}
