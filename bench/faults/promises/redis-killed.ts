import type { Promised } from '../promise.ts'
import { showRedisFault } from '../redis-fault.ts'

export default {
  name: 'redis-killed',
  title: 'Redis killed under load',
  show: (lab) => showRedisFault(lab, { begin: (redis) => redis.kill(), end: (redis) => redis.start() })
} satisfies Promised
