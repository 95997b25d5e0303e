import type { FastifyError, FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { ApiError } from '#src/errors.ts'
import { drainBody } from '#src/http/body/drain.ts'
import { formParser, otherParser } from '#src/http/body/parsers.ts'
import { toKnown } from '#src/http/send-error.ts'
import { OAuthFailure, parseForm } from '#src/identity/oauth/client-authentication.ts'
import { introspectRoute } from './introspect.ts'
import { revokeRoute } from './revoke.ts'
import { tokenRoute } from './token.ts'

const FORM = 'application/x-www-form-urlencoded'
const BODY_LIMIT = 65_536

/** OAuth 2 for services: forms in, the bodies of its RFCs out, and no caching on the way. */
export default (async (app) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(FORM, formParser(BODY_LIMIT, parseForm))
  app.addContentTypeParser('*', otherParser(FORM))

  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' })
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, body, headers } = answerOf(error, request)
    if (status >= 500) request.log.error({ err: error }, body.error_description)
    drainBody(request, reply)
    return reply.code(status).headers(headers).type('application/json').send(body)
  })
  for (const route of [tokenRoute, revokeRoute, introspectRoute]) await app.register(route)
}) satisfies FastifyPluginAsync

// RFC 6749, section 5.2. An error without a name there gets one of the authorization endpoint (section 4.1.2.1).
function answerOf(error: FastifyError, request: FastifyRequest) {
  const body = (name: string, description: string) => ({ error: name, error_description: description })
  if (error instanceof OAuthFailure) {
    const headers = { ...(error.statusCode === 401 && { 'www-authenticate': 'Basic realm="tenon"' }) }
    const { challenge } = error
    const told = { ...body(error.error, error.message), ...(challenge && { challenge }) }
    return { status: error.statusCode, body: told, headers }
  }
  const known = toKnown(error, request)
  const { statusCode: status, headers } = known
  if (status === 429 || status === 503) {
    return { status, body: body('temporarily_unavailable', 'Try again after Retry-After.'), headers }
  }
  if (status >= 500) return { status: 500, body: body('server_error', 'Something failed on our side.'), headers: {} }
  return { status: 400, body: body('invalid_request', reasonOf(known)), headers: {} }
}

function reasonOf({ faults: [fault], message }: ApiError): string {
  return fault ? `${fault.path.slice(1)} ${fault.message}.` : message
}
