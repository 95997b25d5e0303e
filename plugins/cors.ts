import cors from '@fastify/cors'
import fp from 'fastify-plugin'

/** Lets browsers of the configured origins call the API. None are, unless `CORS_ORIGINS` names them. */
export default fp(
  async (app) => {
    const origins = app.config.CORS_ORIGINS
    if (origins === '') return
    await app.register(cors, {
      origin: origins === '*' ? '*' : origins.split(','),
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: ['ETag', 'Link', 'Location', 'Retry-After', 'Server-Timing', 'WWW-Authenticate', 'X-Request-Id'],
      maxAge: 3600,
      // An OPTIONS request that is no preflight is answered with the methods of the path.
      strictPreflight: false
    })
  },
  { name: 'cors', dependencies: ['errors', 'overload'] }
)
