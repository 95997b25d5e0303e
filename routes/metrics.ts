import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Registry } from 'prom-client'

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
      reply.type(Registry.PROMETHEUS_CONTENT_TYPE).serializer(String)
      return app.renderMetrics()
    }
  )
}) satisfies FastifyPluginAsyncTypebox
