import type { IncomingMessage } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, catalogue } from '../errors.ts'

// No route is there, so what is sent to it is answered as what was not found: with every hook.
const NOWHERE = '/.refused'

const refused = new WeakMap<IncomingMessage, ApiError>()

/**
 * Takes a request with a URL that the router cannot read (broken percent-encoding, a segment that is too long). Fastify
 * would answer it without any hook: without CORS headers, limits, a log line or a count. So the request is sent through
 * the application once more, to a path without a route, and the first hook that can refuses it.
 */
export function refuseUrl(error: FastifyError, { raw, server }: FastifyRequest, reply: FastifyReply): void {
  const code = error.statusCode === 414 ? 'URI_TOO_LONG' : 'BAD_REQUEST'
  refused.set(raw, new ApiError(code, catalogue[code][2], { cause: error }))
  Object.assign(raw, { originalUrl: raw.url, url: NOWHERE })
  server.routing(raw, reply.raw)
}

/** Why the URL of a request was refused; undefined where it was not. */
export const refusedUrl = (raw: IncomingMessage): ApiError | undefined =>
  raw.url === NOWHERE ? refused.get(raw) : undefined
