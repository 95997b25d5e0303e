import { onTheWay, showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-reset',
  title: 'Answers of PostgreSQL reset in the middle for 10 s under load',
  show: (lab) => showOutage(lab, onTheWay({ kind: 'reset' }, true))
} satisfies Promised
