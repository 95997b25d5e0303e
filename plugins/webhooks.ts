import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import { sharedKey } from '#src/db/shared-secrets.ts'
import { WebhookFollower } from '#src/webhooks/follower.ts'
import { WebhookSecrets } from '#src/webhooks/secrets.ts'

declare module 'fastify' {
  interface FastifyInstance {
    webhooks: {
      secrets: WebhookSecrets
      /** Counts how an attempt ended. */
      count: (outcome: string) => void
    }
  }
}

/** Sends events to the webhooks that ask for them, from the processes that run jobs. */
export default fp(
  async (app) => {
    const attempts = new Counter({
      name: 'webhook_attempts_total',
      help: 'Attempts to deliver to webhooks by how they ended; rested: nothing was sent to a receiver that fails.',
      labelNames: ['outcome'],
      registers: [app.metrics]
    })
    app.decorate('webhooks', {
      secrets: new WebhookSecrets(await sharedKey(app.db, 'webhooks')),
      count: (outcome) => attempts.inc({ outcome })
    })
    if (app.config.JOBS === 'off') return

    const follower = new WebhookFollower(app)
    app.addHook('onReady', async () => {
      await app.eventNews.follow(follower.look)
      follower.look()
    })
    app.addHook('onClose', () => follower.close())
  },
  { name: 'webhooks', dependencies: ['db', 'metrics', 'events', 'jobs', 'outbound'] }
)
