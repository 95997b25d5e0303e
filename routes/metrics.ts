import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { onRequestHookHandler } from 'fastify'
import { Registry } from 'prom-client'
import { unauthenticated } from '#src/identity/access.ts'

const Exposition = Type.String({
  description: 'Metrics in the text format of Prometheus. No label holds a value of a caller.'
})

/** Metrics for Prometheus: public, or with `METRICS_TOKEN` only for the bearer of that token. */
export default (async (app) => {
  const token = app.config.METRICS_TOKEN
  app.get(
    '/metrics',
    {
      // The token is no credential of a user: the authentication hook would refuse it.
      config: { access: token ? 'client' : 'public', priority: 'health' },
      ...(token && { onRequest: requireBearer(token) }),
      logLevel: 'warn',
      schema: {
        operationId: 'readMetrics',
        tags: ['meta'],
        summary: 'Metrics for Prometheus',
        ...(token && { security: [{ bearer: [] }] }),
        description: 'In the text format of Prometheus. No label holds a value of a caller.',
        response: { 200: { description: 'Metrics.', content: { 'text/plain': { schema: Exposition } } } }
      }
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store').type(Registry.PROMETHEUS_CONTENT_TYPE).serializer(String)
      return app.renderMetrics()
    }
  )
}) satisfies FastifyPluginAsyncTypebox

function requireBearer(token: string): onRequestHookHandler {
  const wanted = digest(`Bearer ${token}`)
  return (request, _reply, done) => {
    // Digests have one length, which a comparison in constant time needs.
    const isBearer = timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)
    done(isBearer ? undefined : unauthenticated('This needs METRICS_TOKEN as a bearer token.'))
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest()
