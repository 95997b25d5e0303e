import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for a fact; the time limit of the test file ends it otherwise. */
export async function until(isSo: () => unknown): Promise<void> {
  while (!(await isSo())) await sleep(5)
}
