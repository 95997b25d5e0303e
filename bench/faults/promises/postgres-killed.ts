import { showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-killed',
  title: 'PostgreSQL killed for 10 s under load',
  show: (lab) => showOutage(lab, { begin: () => lab.postgres.kill(), end: () => lab.postgres.restart(), isWhole: true })
} satisfies Promised
