import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, productId } from '../throughput/database.ts'
import type { RunningServer } from '../throughput/servers.ts'
import type { Lab } from './lab.ts'
import { Ledger } from './ledger.ts'
import { isOk, longest, p99, send, startLoad, tally } from './load.ts'
import { bounded, type Check, seen } from './promise.ts'

/** How many requests a second are sent meanwhile. */
export const RATE = 500
/** How many products they read. */
export const ROWS = 1000

/**
 * What callers see while instances are ended and started one after the other.
 * @param url of what stands before them.
 * @param replace starts another instance in the place of one that has ended.
 */
export async function showRollingRestart(
  lab: Lab,
  database: Database,
  running: RunningServer[],
  url: string,
  replace: (old: RunningServer) => Promise<unknown>
): Promise<Check[]> {
  const ledger = new Ledger(lab.key)
  const headers = { 'x-api-key': lab.key }
  const traffic = startLoad(lab.some(RATE, 200), (n) =>
    n % 5 === 0
      ? ledger.write(lab.agent, url)
      : send(lab.agent, url, { path: `/api/v1/products/${productId(1 + (n % ROWS))}`, headers })
  )
  const codes: unknown[] = []
  try {
    for (const old of running) {
      await sleep(lab.some(2000, 500))
      old.child.kill('SIGTERM')
      codes.push((await once(old.child, 'exit'))[0])
      await replace(old)
    }
    await sleep(lab.some(2000, 500))
  } finally {
    await traffic.stop()
  }
  const { answers } = traffic
  const failed = answers.filter((answer) => !isOk(answer))
  const which =
    failed.length > 0 ? ` (${tally(failed)}: ${[...new Set(failed.map(({ body }) => body.slice(0, 80)))]})` : ''
  return [
    bounded(
      failed.length === 0,
      `${failed.length} of ${answers.length.toLocaleString('en')} requests failed${which}`,
      'none'
    ),
    seen(`p99 ${Math.round(p99(answers))} ms`),
    seen(`longest ${Math.round(longest(answers))} ms`),
    bounded(
      codes.every((code) => code === 0),
      `exit codes ${codes.join(' ')}`,
      'all 0'
    ),
    ...(await ledger.check(database.sql))
  ]
}
