import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { load, productId } from '../../throughput/database.ts'
import { Balancer } from '../balancer.ts'
import { Ledger } from '../ledger.ts'
import { isOk, longest, p99, send, startLoad, tally } from '../load.ts'
import { bounded, type Promised, seen } from '../promise.ts'

const INSTANCES = 3
const RATE = 500

export default {
  name: 'rolling-restart',
  title: `Rolling restart of ${INSTANCES} instances at ${RATE} requests/s`,
  async show(lab) {
    const database = await lab.database()
    await load(database, 1000)
    const running = await lab.instances(INSTANCES, database.url)
    const balancer = await Balancer.open(running.map(({ url }) => url))
    const ledger = new Ledger(lab.key)
    const headers = { 'x-api-key': lab.key }
    const rate = lab.some(RATE, 200)
    const traffic = startLoad(rate, (n) =>
      n % 5 === 0
        ? ledger.write(lab.agent, balancer.url)
        : send(lab.agent, balancer.url, { path: `/api/v1/products/${productId(1 + (n % 1000))}`, headers })
    )
    const codes: unknown[] = []
    for (const old of running) {
      await sleep(lab.some(2000, 500))
      old.child.kill('SIGTERM')
      codes.push((await once(old.child, 'exit'))[0])
      const { url } = await lab.instance(database.url)
      balancer.replace(old.url, url)
    }
    await sleep(lab.some(2000, 500))
    const answers = await traffic.stop()
    await balancer.close()
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
} satisfies Promised
