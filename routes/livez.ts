import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Health } from '#src/schema/health.ts'

/** The process is up. It does not check the database: an outage there must not get the process restarted. */
export default (async (app) => {
  app.get(
    '/livez',
    {
      config: { access: 'public', priority: 'health', isProbe: true },
      logLevel: 'warn',
      schema: {
        operationId: 'readLiveness',
        tags: ['meta'],
        summary: 'The process is up',
        description: 'For supervisors: it answers as long as the process does, without the database.',
        response: { 200: Health }
      }
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return { status: 'ok' }
    }
  )
}) satisfies FastifyPluginAsyncTypebox
