import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { isLate } from '#src/http/long-bodies.ts'

type ClientErrorHandler = (error: Error & { code?: string }, socket: Socket) => void

/** Exempts requests with long bodies from the time limit on whole requests, which Node reports as a client error. */
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
