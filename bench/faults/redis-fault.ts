import { setTimeout as sleep } from 'node:timers/promises'
import { load, productId } from '../throughput/database.ts'
import type { Lab } from './lab.ts'
import { type Answer, longest, p99, send, startLoad, tally } from './load.ts'
import { bounded, type Check, none, seen } from './promise.ts'
import type { FaultProxy } from './proxy.ts'
import type { RedisServer } from './redis.ts'

const RATE = 200
// Half of what is sent is admitted.
const LIMIT = 100
const TIERS = JSON.stringify({ narrow: [{ limit: LIMIT, seconds: 1 }] })

/** How Redis is taken away, and given back. */
interface RedisFault {
  begin(redis: RedisServer, proxy: FaultProxy): unknown
  end(redis: RedisServer, proxy: FaultProxy): unknown
}

/** What callers see, below and above their limit, while Redis is unreachable for 10 s (3 s in a quick run). */
export async function showRedisFault(lab: Lab, fault: RedisFault): Promise<Check[]> {
  const database = await lab.database()
  await load(database, 1000)
  const redis = await lab.redis()
  const proxy = await lab.proxy(redis.port)
  const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, RATE_LIMIT_TIERS: TIERS }
  const { url } = await lab.instance(database.url, env)
  const { key } = await lab.make(url, '/api/v1/api-keys', { name: 'narrow', scopes: ['*'], tier: 'narrow' })
  const read = (n: number) =>
    send(lab.agent, url, {
      path: `/api/v1/products/${productId(1 + (n % 1000))}`,
      headers: { 'x-api-key': key as string }
    })
  const traffic = startLoad(RATE, read)
  await sleep(2000)
  const begun = performance.now()
  await fault.begin(redis, proxy)
  await sleep(lab.some(10_000, 3000))
  const ended = performance.now()
  await fault.end(redis, proxy)
  await sleep(2000)
  const answers = await traffic.stop()
  const during = answers.filter(({ sentAt }) => sentAt > begun && sentAt < ended)
  const odd = answers.filter(({ status }) => status !== 200 && status !== 429)
  return [
    seen(`${answers.length.toLocaleString('en')} requests (${tally(answers)})`),
    none('other than 200 and 429', odd.length),
    admittedCheck(during, (ended - begun) / 1000),
    seen(`p99 meanwhile ${Math.round(p99(during))} ms`),
    seen(`longest ${Math.round(longest(during))} ms`)
  ]
}

// Windows begin with their first request, so one more than fits may begin; and the local count starts at nothing.
function admittedCheck(answers: Answer[], seconds: number): Check {
  const admitted = answers.filter(({ status }) => status === 200).length
  const most = (Math.floor(seconds) + 2) * LIMIT
  const text = `${admitted.toLocaleString('en')} admitted locally in ${seconds.toFixed(1)} s at ${LIMIT}/s`
  return bounded(
    admitted <= most && admitted >= (seconds - 1) * LIMIT * 0.9,
    text,
    `at most ${most.toLocaleString('en')}`
  )
}
