import { onTheWay, showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-slow-link',
  title: 'PostgreSQL behind a link of 2,000 bytes/s for 10 s under load',
  show: (lab) => showOutage(lab, onTheWay({ kind: 'slow', bytesPerSecond: 2000 }, false))
} satisfies Promised
