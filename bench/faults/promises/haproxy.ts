import { Agent } from 'node:http'
import { load } from '../../throughput/database.ts'
import { type Answer, send } from '../load.ts'
import { bounded, type Check, none, type Promised } from '../promise.ts'
import { RATE, ROWS, showRollingRestart } from '../rolling.ts'

const INSTANCES = 3
// Much more than the probes of HAProxy and of ours, which count as requests of the address that they come from.
const LIMIT = 1000
const SENT = 1100
const AT_ONCE = 20
// All of them are addresses of this machine. HAProxy connects from the first, which alone is believed.
const TRUST_PROXY = '127.0.0.1'
const CALLERS = ['127.0.0.2', '127.0.0.3', '127.0.0.4']

export default {
  name: 'haproxy',
  title: `HAProxy before ${INSTANCES} instances: rolling restart at ${RATE} requests/s, limits by forwarded address`,
  needs: 'haproxy',
  async show(lab) {
    const database = await lab.database()
    await load(database, ROWS)
    const redis = await lab.redis()
    const env = {
      TRUST_PROXY,
      REDIS_URL: redis.url,
      RATE_LIMIT_TIERS: JSON.stringify({ anonymous: [{ limit: LIMIT, seconds: 60 }] })
    }
    const running = await lab.instances(INSTANCES, database.url, env)
    const proxy = await lab.haproxy(running.map(({ port }) => port))
    return [
      ...(await showRollingRestart(lab, database, running, proxy.url, ({ port }) =>
        lab.instance(database.url, { ...env, PORT: String(port) })
      )),
      ...(await showLimits(proxy.url))
    ]
  }
} satisfies Promised

// Each request forges another client address, as a client does that wants more than its share.
async function showLimits(url: string): Promise<Check[]> {
  const admitted: number[] = []
  let odd = 0
  for (const localAddress of CALLERS) {
    const agent = new Agent({ keepAlive: true, localAddress })
    const answers: Answer[] = []
    while (answers.length < SENT) {
      const some = Array.from({ length: AT_ONCE }, (_none, n) =>
        send(agent, url, { path: '/api/v1/products?limit=1', headers: { 'x-forwarded-for': `192.0.2.${n}` } })
      )
      answers.push(...(await Promise.all(some)))
    }
    agent.destroy()
    admitted.push(answers.filter(({ status }) => status === 200).length)
    odd += answers.filter(({ status }) => status !== 200 && status !== 429).length
  }
  return [
    bounded(
      admitted.every((count) => count === LIMIT),
      `${CALLERS.length} addresses, each with ${SENT.toLocaleString('en')} requests under forged ones: ${admitted.join(', ')} admitted`,
      `${LIMIT} each`
    ),
    none('other answers', odd)
  ]
}
