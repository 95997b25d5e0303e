import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ApiError } from '#src/errors.ts'
import { Health } from '#src/schema/health.ts'

const PATIENCE_MS = 900

/** The server can serve: its database answers, and it is not stopping. */
export default (async (app) => {
  app.get(
    '/readyz',
    {
      config: { access: 'public', priority: 'health', isProbe: true },
      logLevel: 'warn',
      schema: {
        operationId: 'readReadiness',
        tags: ['meta'],
        summary: 'The server can serve',
        description: 'For load balancers: 503 while the database does not answer or the server is stopping.',
        response: { 200: Health }
      }
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      const isReady = !app.stopping.isStopping && (await answersInTime(app.pingDatabase()))
      if (!isReady) throw new ApiError('UNAVAILABLE')
      return { status: 'ok' }
    }
  )
}) satisfies FastifyPluginAsyncTypebox

async function answersInTime(ping: Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), PATIENCE_MS)
  const answered = ping.then(
    () => true,
    () => false
  )
  return Promise.race([answered, late.promise]).finally(() => clearTimeout(timer))
}
