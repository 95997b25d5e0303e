import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../throughput/database.ts'
import type { Lab } from './lab.ts'
import { Ledger } from './ledger.ts'
import { type Answer, isOk, longest, send, startLoad, startProbe, tally } from './load.ts'
import { mixed, ROWS } from './mixed.ts'
import { bounded, type Check, none, seen, under } from './promise.ts'
import type { Fault, FaultProxy } from './proxy.ts'

const PROBE_MS = 20

/** How the database is taken away from an instance, and given back. */
export interface Outage {
  /** The database by the way that the instance takes; through a proxy of ours when left out. */
  through?(databaseUrl: string): string
  begin(lab: Lab, proxy: FaultProxy): unknown
  end(lab: Lab, proxy: FaultProxy): unknown
  /** Whether nothing gets through, so that the server cannot be ready. */
  isWhole: boolean
}

/** An outage that is a fault on the way to the database. */
export const onTheWay = (fault: Fault, isWhole: boolean): Outage => ({
  begin: (_lab, proxy) => proxy.set(fault),
  end: (_lab, proxy) => proxy.set({ kind: 'none' }),
  isWhole
})

/** What callers see of an instance under load while its database is unreachable for 10 s (3 s in a quick run). */
export async function showOutage(lab: Lab, outage: Outage): Promise<Check[]> {
  const database = await lab.database()
  await load(database, ROWS)
  const proxy = await lab.proxy(lab.postgres.port)
  const { url } = await lab.instance(outage.through?.(database.url) ?? proxy.through(database.url))
  const ledger = new Ledger(lab.key)
  const probe = (path: string) => startProbe(PROBE_MS, () => send(lab.agent, url, { path }))
  const [livez, readyz] = [probe('/livez'), probe('/readyz')]
  const traffic = startLoad(lab.some(300, 150), (n) => mixed(lab, url, ledger, n))
  await sleep(lab.some(3000, 1500))
  const begun = performance.now()
  await outage.begin(lab, proxy)
  await sleep(lab.some(10_000, 3000))
  await outage.end(lab, proxy)
  const ended = performance.now()
  await sleep(lab.some(5000, 3000))
  const answers = await traffic.stop()
  const probes = [await livez.stop(), await readyz.stop()] as const
  const repeated = await ledger.repeat(lab.agent, url)
  return [
    seen(`${answers.length.toLocaleString('en')} requests (${tally(answers)})`),
    ...answeredChecks(answers),
    none('other than 200 from /livez', probes[0].filter(({ status }) => status !== 200).length),
    seen(`/livez at most ${Math.round(longest(probes[0]))} ms`),
    ...(outage.isWhole ? [turnedCheck(probes[1], begun)] : []),
    under(1000, 'recovered after', recoveredAfter([...answers, ...probes[1]], ended)),
    seen(`${repeated.toLocaleString('en')} repeated with their key`),
    ...(await ledger.check(database.sql))
  ]
}

function answeredChecks(answers: Answer[]): Check[] {
  const odd = answers.filter((answer) => !isOk(answer) && answer.status !== 503)
  const refused = answers.filter(({ status }) => status === 503)
  return [
    under(2000, 'longest answer', longest(answers)),
    bounded(odd.length === 0, `${odd.length} neither served nor 503`, 'none'),
    none('503 without Retry-After', refused.filter(({ headers }) => !headers['retry-after']).length, refused.length)
  ]
}

function turnedCheck(readyz: Answer[], begun: number): Check {
  const first = readyz.find(({ status, sentAt, ms }) => status === 503 && sentAt + ms > begun)
  if (!first) return bounded(false, '/readyz never 503', 'within 1,000 ms')
  return under(1000, '/readyz 503 after', first.sentAt + first.ms - begun)
}

// Until the last request was sent that was not served, or served only after more than a second.
function recoveredAfter(answers: Answer[], ended: number): number {
  const failed = answers.filter((answer) => answer.sentAt > ended && (!isOk(answer) || answer.ms > 1000))
  return failed.reduce((last, { sentAt }) => Math.max(last, sentAt - ended), 0)
}
