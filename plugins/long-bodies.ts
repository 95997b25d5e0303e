import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { isLate } from '#src/http/long-bodies.ts'

type ClientErrorHandler = (error: Error & { code?: string }, socket: Socket) => void

/** Spares requests whose body may take long from the time limit on whole requests: Node tells it as an error of the client. */
export default fp(
  async (app) => {
    const handlers = app.server.listeners('clientError') as ClientErrorHandler[]
    app.server.removeAllListeners('clientError')
    app.server.on('clientError', (error: Error & { code?: string }, socket) => {
      if (isLate(error, socket)) return
      for (const handle of handlers) handle(error, socket as Socket)
    })
  },
  { name: 'long-bodies' }
)
