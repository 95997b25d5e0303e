import type { Test } from 'tap'

/**
 * Takes over the intervals of a length that are begun from now on. Only those: what else is looked at every so often goes
 * on as it does, where a mocked clock would let a day go by for all of them.
 * @returns what lets one such time go by.
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
