import { setTimeout as sleep } from 'node:timers/promises'
import { productId } from '../../throughput/database.ts'
import { send, startLoad } from '../load.ts'
import { bounded, type Check, none, type Promised } from '../promise.ts'

const LIMIT = 100
const WINDOW_SECONDS = 2
const TIMES = [0.9, 1, 1.1, 1.5, 2]
const TIERS = JSON.stringify({ narrow: [{ limit: LIMIT, seconds: WINDOW_SECONDS }] })

export default {
  name: 'limits',
  title: `Limits: ${LIMIT} in ${WINDOW_SECONDS} s, by one and by three instances`,
  async show(lab) {
    const database = await lab.database()
    const redis = await lab.redis()
    const env = { REDIS_URL: redis.url, RATE_LIMIT_TIERS: TIERS }
    const urls = (await lab.instances(3, database.url, env)).map(({ url }) => url)
    const windows = lab.some(6, 3)

    // Whole windows, from the first request on, which begins the first of them.
    async function admitted(over: string[], times: number) {
      const body = { name: 'narrow', scopes: ['*'], tier: 'narrow' }
      const { key } = await lab.make(urls[0] as string, '/api/v1/api-keys', body)
      const call = { path: `/api/v1/products/${productId(1)}`, headers: { 'x-api-key': key as string } }
      const rate = (times * LIMIT) / WINDOW_SECONDS
      const traffic = startLoad(rate, (n) => send(lab.agent, over[n % over.length] as string, call))
      await sleep(windows * WINDOW_SECONDS * 1000 - 20)
      const answers = await traffic.stop()
      const passed = answers.filter(({ status }) => status === 404).sort((a, b) => a.sentAt - b.sentAt)
      const odd = answers.filter(({ status }) => status !== 404 && status !== 429).length
      // What is promised: all where they are fewer than the limit, the limit in each window where they are more.
      const expected = Math.min(answers.length, LIMIT * windows)
      return { passed, odd, off: (passed.length - expected) / expected }
    }

    const checks: Check[] = []
    for (const over of [urls.slice(0, 1), urls]) {
      const tried = []
      for (const times of TIMES) tried.push({ times, ...(await admitted(over, times)) })
      const text = tried
        .map(({ times, off }) => `${times} ×: ${off >= 0 ? '+' : ''}${(100 * off).toFixed(1)} %`)
        .join(', ')
      const isKept = tried.every(({ off }) => Math.abs(off) <= 0.01)
      checks.push(bounded(isKept, `${over.length} instance${over.length > 1 ? 's' : ''} ${text}`, 'within 1 %'))
      checks.push(
        none(
          'other answers',
          tried.reduce((sum, { odd }) => sum + odd, 0)
        )
      )
    }
    return checks
  }
} satisfies Promised
