import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError, type Fault } from '#src/errors.ts'
import { Allowed } from '#src/http/allowed-methods.ts'
import { sendError } from '#src/http/send-error.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods of the path of a URL; empty for an unknown path. */
    allowedMethods: (url: string) => string[]
  }
  interface FastifyContextConfig {
    /** The field behind a violated constraint of the route's table. */
    faultOf?: (constraint: string) => Fault | undefined
  }
  interface FastifyRequest {
    /** The error that answered the request, for its log line; null where there was none. */
    refusal: ApiError | null
  }
}

/** Writes every error answer, of handlers, the framework, the parsers and the database, in one format. */
export default fp(
  async (app) => {
    const allowed = new Allowed()
    app.decorateRequest('refusal', null)
    app.addHook('onRoute', (route) => allowed.add([route.method].flat(), route.url))
    app.decorate('allowedMethods', (url: string) => allowed.find(url))

    // For an unknown path a fault in the body does not matter.
    app.setErrorHandler((error, request, reply) =>
      request.is404 && !(error instanceof ApiError) ? sendNotFound(request, reply) : sendError(error, request, reply)
    )
    app.setNotFoundHandler(sendNotFound)

    function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
      const methods = allowed.find(request.url)
      if (methods.length === 0)
        return sendError(new ApiError('NOT_FOUND', 'There is nothing at this path.'), request, reply)
      const allow = methods.join(', ')
      if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
      const message = `${request.method} is not possible here; ${allow} is.`
      return sendError(new ApiError('METHOD_NOT_ALLOWED', message, { headers: { allow } }), request, reply)
    }
  },
  { name: 'errors', dependencies: ['routes'] }
)
