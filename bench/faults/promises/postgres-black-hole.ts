import { onTheWay, showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-black-hole',
  title: 'PostgreSQL in a black hole for 10 s under load',
  show: (lab) => showOutage(lab, onTheWay({ kind: 'black-hole' }, true))
} satisfies Promised
