import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../../throughput/database.ts'
import { type Answer, isOk, p99, send, startLoad, startProbe, tally } from '../load.ts'
import { bounded, type Promised, seen, under } from '../promise.ts'

// So many rows that requests are few: the load generator shares a core with the database, which has the lower priority.
// With a quarter of the rows, 74 to 88 % were served in four runs: a tenth of the core went to the load generator, and
// no work was wasted. 1,126 counts were made for 1,089 answers, and all other requests were refused before their work
// began.
const ROWS = 200_000
const TIMES = 3

export default {
  name: 'overload',
  title: `${TIMES} times the capacity`,
  async show(lab) {
    const database = await lab.database()
    await load(database, ROWS)
    const { url } = await lab.instance(database.url)
    // Costs the database some milliseconds, and is never the same, so that nothing of it is shared.
    const costly = (n: number) =>
      send(lab.agent, url, {
        path: `/api/v1/products?limit=1&count=exact&name[like]=%25${n % 9973}%25`,
        headers: { 'x-api-key': lab.key }
      })
    const seconds = lab.some(10, 4)
    await capacity(costly, 1)
    const most = await capacity(costly, lab.some(5, 3))
    const probes = ['/livez', '/readyz'].map((path) => startProbe(50, () => send(lab.agent, url, { path })))
    const startedAt = performance.now()
    const before = process.cpuUsage()
    const traffic = startLoad(TIMES * most, (n) => costly(n + 100_000))
    await sleep(seconds * 1000)
    const answers = await traffic.stop()
    const { user, system } = process.cpuUsage(before)
    const measuring = (user + system) / 10 / (performance.now() - startedAt)
    const health = await Promise.all(probes.map((probe) => probe.stop()))
    const served = answers.filter(isOk)
    const took = (Math.max(...served.map(({ sentAt, ms }) => sentAt + ms)) - (answers[0]?.sentAt as number)) / 1000
    const goodput = served.length / Math.max(took, seconds)
    const refused = answers.filter(({ status }) => status === 503)
    const odd = answers.filter((answer) => !isOk(answer) && answer.status !== 503)
    return [
      seen(`capacity ${Math.round(most)}/s`),
      bounded(goodput >= 0.8 * most, `goodput ${Math.round((100 * goodput) / most)} %`, 'at least 80 %'),
      seen(`who measures took ${Math.round(measuring)} % of the database's core`),
      seen(`p99 of what was served ${Math.round(p99(served))} ms`),
      seen(tally(answers)),
      bounded(odd.length === 0, `${odd.length} neither served nor 503`, 'none'),
      under(50, 'p99 of refusals', p99(refused)),
      ...health.map((some, at) => under(100, `p99 of ${at === 0 ? '/livez' : '/readyz'}`, p99(some)))
    ]
  }
} satisfies Promised

// A closed loop of a few callers, which wait for each other's turn and are never refused.
async function capacity(call: (n: number) => Promise<Answer>, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000
  let served = 0
  async function caller(first: number): Promise<void> {
    for (let n = first; performance.now() < until; n += 20) if (isOk(await call(n))) served += 1
  }
  await Promise.all(Array.from({ length: 20 }, (_none, n) => caller(n)))
  return served / seconds
}
