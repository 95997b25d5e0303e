import type { Test } from 'tap'

/** From now on timers of the process go so many times as fast. What asks how late it is, and the timers of others, do not. */
export function shortenTimers(t: Test, times: number): void {
  const { setTimeout, setInterval } = globalThis
  const faster = (begin: typeof setTimeout | typeof setInterval) =>
    Object.assign((run: () => void, ms = 0, ...args: []) => begin(run, ms / times, ...args), begin)
  Object.assign(globalThis, { setTimeout: faster(setTimeout), setInterval: faster(setInterval) })
  t.teardown(() => Object.assign(globalThis, { setTimeout, setInterval }))
}
