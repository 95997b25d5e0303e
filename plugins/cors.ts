import cors from '@fastify/cors'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { EXPOSED_HEADERS, parseOrigins } from '#src/http/cors.ts'

const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-max-age': '3600',
  // Safari waits for a body where this is left out.
  'content-length': '0'
}

/**
 * Lets browsers of the configured origins call the API; without `CORS_ORIGINS` there are none. It runs before every
 * hook that can refuse: a page must be able to read a 401. Credentials are not allowed: the page itself sets the header
 * with the token, and there is no cookie that another page could use.
 */
export default fp(
  async (app) => {
    const { CORS_ORIGINS } = app.config
    if (CORS_ORIGINS === '') return
    const origins = parseOrigins(CORS_ORIGINS)
    await app.register(cors, {
      origin: origins.isAny ? '*' : (origin, done) => done(null, origins.has(origin)),
      exposedHeaders: EXPOSED_HEADERS,
      preflight: false
    })

    // The library answers every OPTIONS request the same way. Here an unknown path stays a 404, and an OPTIONS request
    // that is no preflight gets the methods of its path from the not-found handler.
    app.addHook('onRequest', (request, reply: FastifyReply, done) => {
      if (request.method !== 'OPTIONS') return done()
      const { 'access-control-request-method': method, 'access-control-request-headers': headers } = request.headers
      if (method === undefined || !origins.has(request.headers.origin)) return done()
      const allow = app.allowedMethods(request.url)
      if (allow.length === 0) return done()
      reply.code(204).headers({ ...PREFLIGHT, allow: allow.join(', ') })
      if (headers !== undefined) reply.header('access-control-allow-headers', headers)
      // A public page may reach a private network only where its origin is named, not where every origin may call.
      if (!origins.isAny && request.headers['access-control-request-private-network'] === 'true')
        reply.header('access-control-allow-private-network', 'true')
      reply.send()
    })
  },
  { name: 'cors', dependencies: ['client-address', 'errors'] }
)
