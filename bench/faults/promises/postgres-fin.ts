import { showOutage } from '../outage.ts'
import type { Promised } from '../promise.ts'

export default {
  name: 'postgres-fin',
  title: 'PostgreSQL cuts every connection, and closes each new one at start-up, for 10 s under load',
  show: (lab) =>
    showOutage(lab, {
      begin(_lab, proxy) {
        proxy.set({ kind: 'fin-at-start-up' })
        proxy.cut()
      },
      end: (_lab, proxy) => proxy.set({ kind: 'none' }),
      isWhole: true
    })
} satisfies Promised
