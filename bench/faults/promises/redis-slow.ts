import type { Promised } from '../promise.ts'
import { showRedisFault } from '../redis-fault.ts'

export default {
  name: 'redis-slow',
  title: 'Redis 2 s late under load',
  show: (lab) =>
    showRedisFault(lab, {
      begin: (_redis, proxy) => proxy.set({ kind: 'latency', ms: 2000 }),
      end: (_redis, proxy) => proxy.set({ kind: 'none' })
    })
} satisfies Promised
