import { setTimeout as sleep } from 'node:timers/promises'
import { isOk, send } from '../load.ts'
import { bounded, type Promised } from '../promise.ts'

const TIMES = 100
const GRACE_MS = 10_000

export default {
  name: 'refresh',
  title: `${TIMES} refreshes at once over three instances, and an old token again after the grace`,
  async show(lab) {
    const database = await lab.database()
    const urls = (await lab.instances(3, database.url)).map(({ url }) => url)
    const tokens = await lab.startLogin(urls[0] as string)
    const refresh = (n: number, refreshToken: string) =>
      send(lab.agent, urls[n % 3] as string, { method: 'POST', path: '/api/v1/auth/refresh', body: { refreshToken } })
    const answers = await Promise.all(Array.from({ length: TIMES }, (_none, n) => refresh(n, tokens.refreshToken)))
    const successors = new Set(answers.filter(isOk).map(({ body }) => JSON.parse(body).refreshToken as string))
    const [successor] = [...successors] as [string]
    await sleep(GRACE_MS + 500)
    const reused = await refresh(1, tokens.refreshToken)
    const after = await refresh(2, successor)
    const refused = [reused, after].filter(({ status }) => status === 401)
    return [
      bounded(answers.every(isOk), `${answers.filter(isOk).length} of ${TIMES} answered with 200`, 'all'),
      bounded(successors.size === 1, `${successors.size} successor`, 'one'),
      bounded(refused.length === 2, `old token ${reused.status}, its successor then ${after.status}`, '401 and 401')
    ]
  }
} satisfies Promised
