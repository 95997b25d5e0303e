import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Set on the signal to stop: the server is no longer ready, and finishes its requests. */
    stopping: { isStopping: boolean }
  }
}

/** While the server stops, every answer ends its connection, so that clients move on to another instance. */
export default fp(
  async (app) => {
    const stopping = { isStopping: false }
    app.decorate('stopping', stopping)
    app.addHook('onSend', (_request, reply, _payload, done) => {
      if (stopping.isStopping) reply.header('connection', 'close')
      done()
    })
  },
  { name: 'stopping' }
)
