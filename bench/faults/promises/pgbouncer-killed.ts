import { showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

const CONNECTIONS = 5

export default {
  name: 'pgbouncer-killed',
  title: 'PgBouncer killed for 10 s under load',
  needs: 'pgbouncer',
  async show(lab) {
    const pooler = await lab.pooler(CONNECTIONS)
    return showOutage(lab, {
      through: (url) => pooler.through(url),
      begin: () => pooler.kill(),
      end: () => pooler.start(),
      isWhole: true
    })
  }
} satisfies Promised
