import { onTheWay, showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-slices',
  title: 'PostgreSQL in packets of 7 bytes for 10 s under load',
  show: (lab) => showOutage(lab, onTheWay({ kind: 'slices', bytes: 7 }, false))
} satisfies Promised
