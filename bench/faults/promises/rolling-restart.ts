import { load } from '../../throughput/database.ts'
import { Balancer } from '../balancer.ts'
import type { Promised } from '../promise.ts'
import { RATE, ROWS, showRollingRestart } from '../rolling.ts'

const INSTANCES = 3

export default {
  name: 'rolling-restart',
  title: `Rolling restart of ${INSTANCES} instances at ${RATE} requests/s`,
  async show(lab) {
    const database = await lab.database()
    await load(database, ROWS)
    const running = await lab.instances(INSTANCES, database.url)
    const balancer = await Balancer.open(running.map(({ url }) => url))
    const checks = await showRollingRestart(lab, database, running, balancer.url, async (old) => {
      const { url } = await lab.instance(database.url)
      balancer.replace(old.url, url)
    })
    await balancer.close()
    return checks
  }
} satisfies Promised
