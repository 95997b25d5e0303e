import fp from 'fastify-plugin'
import { sweepKeys } from '#src/http/idempotency/store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Deletes expired idempotency keys. Gives their number. */
    sweepIdempotencyKeys: () => Promise<number>
  }
}

const SWEEP_EVERY_MS = 600_000

/** Deletes idempotency keys after their 24 hours. */
export default fp(
  async (app) => {
    app.decorate('sweepIdempotencyKeys', async () => {
      let total = 0
      for (let swept = await sweepKeys(app.db); swept > 0; swept = await sweepKeys(app.db)) total += swept
      return total
    })

    const timer = setInterval(sweep, SWEEP_EVERY_MS).unref()
    app.addHook('onClose', async () => clearInterval(timer))

    function sweep(): void {
      // A database that sleeps is not woken for this.
      if (app.identity.principals.isAsleep) return
      app.sweepIdempotencyKeys().catch((error) => app.log.warn({ err: error }, 'idempotency keys were not swept'))
    }
  },
  { name: 'idempotency', dependencies: ['db', 'auth'] }
)
