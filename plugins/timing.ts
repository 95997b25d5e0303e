import fp from 'fastify-plugin'

/** Names the request and says how long it took, on every answer. */
export default fp(
  async (app) => {
    app.addHook('onSend', async (request, reply) => {
      reply.header('x-request-id', request.id)
      reply.header('server-timing', `app;dur=${reply.elapsedTime.toFixed(1)}`)
    })
  },
  { name: 'timing' }
)
