import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const Exposition = Type.String({
  description: 'Metrics in the text format of Prometheus. No label holds a value of a caller.'
})

/** For Prometheus. */
export default (async (app) => {
  app.get(
    '/metrics',
    {
      config: { access: 'public', priority: 'health' },
      logLevel: 'warn',
      schema: {
        operationId: 'readMetrics',
        tags: ['meta'],
        summary: 'Metrics for Prometheus',
        response: { 200: { description: 'Metrics.', content: { 'text/plain': { schema: Exposition } } } }
      }
    },
    async (_request, reply) => {
      reply.type(app.metrics.contentType).serializer(String)
      return app.metrics.metrics()
    }
  )
}) satisfies FastifyPluginAsyncTypebox
