import { join } from 'node:path'
import { run } from '../../throughput/processes.ts'
import { ROOT } from '../../throughput/servers.ts'
import { isOk, longest, send, startProbe, tally } from '../load.ts'
import { bounded, type Promised, seen, under } from '../promise.ts'

const LOGINS = 100

export default {
  name: 'login-timing',
  title: 'Login takes the same time for an unknown user and a wrong password, and is bounded in parallel',
  async show(lab) {
    const tries = String(lab.some(500, 100))
    const args = [join(ROOT, 'bench/login-timing.ts'), tries]
    const output = await run('rest', process.execPath, args, 200_000).catch((error) => (error as Error).message)
    const apart = Number(/([\d.]+) % apart/.exec(output)?.[1] ?? Number.NaN)
    const database = await lab.database()
    const { url } = await lab.instance(database.url, { RATE_LIMIT_ENABLED: 'false' })
    const health = startProbe(10, () => send(lab.agent, url, { path: '/livez' }))
    const body = { email: 'nobody@example.com', password: 'not the password' }
    const call = { method: 'POST', path: '/api/v1/auth/login', body }
    const logins = await Promise.all(Array.from({ length: LOGINS }, () => send(lab.agent, url, call)))
    const probed = await health.stop()
    const odd = logins.filter(({ status }) => status !== 401 && status !== 503).length
    return [
      bounded(apart <= 5, output.trim().split('\n').at(-1) as string, 'at most 5 %'),
      seen(`${LOGINS} logins at once: ${tally(logins)}`),
      bounded(odd === 0, `${odd} neither 401 nor 503`, 'none'),
      under(100, '/livez meanwhile at most', longest(probed.filter(isOk)))
    ]
  }
} satisfies Promised
