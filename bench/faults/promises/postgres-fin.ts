import { onTheWay, showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-fin',
  title: 'PostgreSQL closes each new connection at start-up for 10 s under load',
  show: (lab) => showOutage(lab, onTheWay({ kind: 'fin-at-start-up' }, false))
} satisfies Promised
