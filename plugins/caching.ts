import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long a cache may give a public answer again without asking. Without it every use is validated. */
    ttlSeconds?: number
  }
}

// What an answer depends on, besides its URL: a cache in front must not give it to somebody who sends another of these.
const VARY = 'Accept, Accept-Encoding, Authorization, Origin, X-API-Key'

/**
 * Says who may keep an answer: a cache between us and all callers what anybody gets, and only the caller what depends on
 * who asks. Errors are kept by nobody: a 404 may be for this caller alone, and over in a moment.
 */
export default fp(
  async (app) => {
    app.addHook('onSend', (request, reply, _payload, done) => {
      reply.header('vary', VARY)
      // A route that has said so itself knows better.
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
  // Also of a public route an answer to somebody is theirs: it carries their limits and their request id.
  if (!isRead || access !== 'public' || principal) return 'private, no-cache'
  return `public, max-age=${ttlSeconds}, must-revalidate`
}
