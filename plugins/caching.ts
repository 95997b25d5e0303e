import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long a cache may reuse a public answer without a request. Without it every use is validated. */
    ttlSeconds?: number
  }
}

// The request headers that an answer depends on: a cache in front must not reuse it where one of them differs.
const VARY = 'Accept, Accept-Encoding, Authorization, Origin, X-API-Key'

/**
 * Says which caches may keep an answer: shared caches a public one to an anonymous client, only the client's own cache
 * one that depends on a credential. Errors are not cached: a 404 may hold for one user and a moment only.
 */
export default fp(
  async (app) => {
    app.addHook('onSend', (request, reply, _payload, done) => {
      reply.header('vary', VARY)
      // A route that set the header itself knows better.
      if (!reply.hasHeader('cache-control')) reply.header('cache-control', cacheControl(request, reply))
      done()
    })
  },
  { name: 'caching', dependencies: ['auth'] }
)

function cacheControl({ method, principal, route }: FastifyRequest, { statusCode }: FastifyReply): string {
  if (statusCode >= 400) return 'no-store'
  const { access, ttlSeconds = 0 } = route.config
  const isRead = method === 'GET' || method === 'HEAD'
  // A public answer to an authenticated client is private too: it carries the client's limits and request id.
  if (!isRead || access !== 'public' || principal) return 'private, no-cache'
  return `public, max-age=${ttlSeconds}, must-revalidate`
}
