import fp from 'fastify-plugin'
import { Redis } from 'ioredis'

declare module 'fastify' {
  interface FastifyInstance {
    /** The Redis that instances share; undefined where there is no `REDIS_URL`. */
    redis: Redis | undefined
  }
}

/** Connects to Redis where one is configured. The start does not wait, and all works without it while it is away. */
export default fp(
  async (app) => {
    const { REDIS_URL } = app.config
    const redis = REDIS_URL
      ? new Redis(REDIS_URL, { connectTimeout: 1000, enableOfflineQueue: false, maxRetriesPerRequest: 1 })
      : undefined
    // Every use reports its own failure; without a listener this event would end the process.
    redis?.on('error', () => {})
    app.addHook('onClose', async () => redis?.disconnect())
    app.decorate('redis', redis)
  },
  { name: 'redis' }
)
