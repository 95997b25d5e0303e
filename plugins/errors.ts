import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Allowed } from '#src/allowed.ts'
import { toApiError } from '#src/db/errors.ts'
import { ApiError, catalogue, type ErrorCode, type Fault } from '#src/errors.ts'
import { PROBLEM_TYPE, toProblem } from '#src/schema/problem.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The field behind a violated constraint of the route's table. */
    faultOf?: (constraint: string) => Fault | undefined
  }
}

/** Writes every error answer: those of handlers, the framework, the parsers and the database, in one body. */
export default fp(
  async (app) => {
    const allowed = new Allowed()
    app.addHook('onRoute', (route) => allowed.add([route.method].flat(), route.url))

    // Where there is nothing, whatever is wrong with the body does not matter.
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

// What is refused for want of time or room is no failure, and a line for each would cost more than the refusal.
const FAILURES = new Set<ErrorCode>(['INTERNAL', 'UNAVAILABLE'])

/** Answers with an error, and logs it when it is ours. Also for what fails before a route is known. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toKnown(error, request)
  if (FAILURES.has(known.code)) request.log.error({ err: error, code: known.code }, known.message)
  return reply
    .code(known.statusCode)
    .headers(known.headers)
    .type(PROBLEM_TYPE)
    .serializer(JSON.stringify)
    .send(toProblem(known, request.id))
}

// What Fastify refuses by itself, by status. Its messages are for developers of the server, so ours replace them.
const BY_STATUS: Record<number, ErrorCode> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  408: 'REQUEST_TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  414: 'URI_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'UNAVAILABLE'
}

function toKnown(error: unknown, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error
  const fromDatabase = toApiError(error, (constraint) => request.route.config.faultOf?.(constraint))
  if (fromDatabase) return fromDatabase
  const { statusCode = 500, code = '' } = error as FastifyError
  const ours = BY_STATUS[statusCode]
  if (ours && code.startsWith('FST_')) return new ApiError(ours, catalogue[ours][2], { cause: error })
  return new ApiError('INTERNAL', undefined, { cause: error })
}
