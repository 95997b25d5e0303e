import fp from 'fastify-plugin'
import { redact } from '#src/redact.ts'

/**
 * One line for every request. Of a query only what the route declares is written, of a body only at level `debug`, and
 * of both nothing that a schema marks as write-only.
 */
export default fp(
  async (app) => {
    app.addHook('onResponse', async (request, reply) => {
      const { schema, url } = request.routeOptions
      request.log.info({
        method: request.method,
        path: request.url.split('?')[0],
        route: url,
        ...(hasKeys(request.query) && { query: redact(request.query, schema?.querystring) }),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
        userId: request.principal?.userId
      })
      if (request.body !== undefined && request.log.level === 'debug') {
        request.log.debug({ body: redact(request.body, schema?.body) })
      }
    })
  },
  { name: 'logs', dependencies: ['auth'] }
)

const hasKeys = (value: unknown) => Object.keys(value as object).length > 0
