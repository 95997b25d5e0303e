import fp from 'fastify-plugin'

/** Names the request and says how long it took, on every answer. */
export default fp(
  async (app) => {
    app.addHook('onSend', (request, reply, _payload, done) => {
      reply.header('x-request-id', request.id)
      reply.header('server-timing', `app;dur=${Math.round(reply.elapsedTime * 10) / 10}`)
      done()
    })
  },
  { name: 'timing' }
)
