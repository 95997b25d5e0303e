import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { toApiError } from '../db/errors.ts'
import { ApiError, catalogue, type ErrorCode } from '../errors.ts'
import { drainBody } from './body/drain.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'

// A refusal for lack of time or room is no failure, and a log line for each would cost more than the refusal.
const FAILURES = new Set<ErrorCode>(['INTERNAL', 'UNAVAILABLE'])

/** Answers with an error, and logs it when it is ours. Also for what fails before a route is known. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toKnown(error, request)
  request.refusal = known
  if (FAILURES.has(known.code) && !isPlanned(request))
    request.log.error({ err: error, code: known.code }, known.message)
  drainBody(request, reply)
  return reply
    .code(known.statusCode)
    .headers(known.headers)
    .type(PROBLEM_TYPE)
    .serializer(JSON.stringify)
    .send(toProblem(known, request.id))
}

// While the server stops, every readiness probe gets 503: that is no failure.
const isPlanned = ({ server, route }: FastifyRequest) => server.stopping?.isStopping && route.config.isProbe

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

export function toKnown(error: unknown, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error
  // The connection that was reset is the caller's, not the database's.
  if (request.raw.errored === error) return new ApiError('BAD_REQUEST', 'The body ended early.', { cause: error })
  const fromDatabase = toApiError(error, (constraint) => request.route.config.faultOf?.(constraint))
  if (fromDatabase) return fromDatabase
  const { statusCode = 500, code = '' } = error as FastifyError
  const ours = BY_STATUS[statusCode]
  if (ours && code.startsWith('FST_')) return new ApiError(ours, catalogue[ours][2], { cause: error })
  return new ApiError('INTERNAL', undefined, { cause: error })
}
