import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'

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
    const redis = REDIS_URL ? await connect(REDIS_URL) : undefined
    // Every use reports its own failure; without a listener this event would end the process.
    redis?.on('error', () => {})
    app.addHook('onClose', async () => redis?.disconnect())
    app.decorate('redis', redis)
  },
  { name: 'redis' }
)

// Loaded where it is used: the modules take 70 ms of a start.
async function connect(url: string): Promise<Redis> {
  const { Redis } = await import('ioredis')
  return new Redis(url, { connectTimeout: 1000, enableOfflineQueue: false, maxRetriesPerRequest: 1 })
}
