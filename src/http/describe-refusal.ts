import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiError, ErrorCode } from '../errors.ts'

// The header that decides, for refusals of which it is always the same one.
const HEADERS: Partial<Record<ErrorCode, string>> = {
  INVALID_JSON: 'content-type',
  NOT_ACCEPTABLE: 'accept',
  PAYLOAD_TOO_LARGE: 'content-length',
  UNSUPPORTED_MEDIA_TYPE: 'content-type'
}
const SETTINGS: Partial<Record<ErrorCode, string>> = { REGISTRATION_CLOSED: 'REGISTRATION', MAIL_OFF: 'MAIL_URL' }
const MAX_FAULTS = 5
const MAX_LENGTH = 200

/**
 * What the log line of a refusal says, so that it can be mended from outside: which program sent it, what was wrong where,
 * which header or setting decided. No value of a body or query, and no name that a schema does not know: either may be a
 * secret in the wrong place.
 */
export function describeRefusal({ code, faults, log }: ApiError, { headers }: FastifyRequest, reply: FastifyReply) {
  const { 'user-agent': client, origin } = headers
  const header = HEADERS[code]
  const sent = header === undefined ? undefined : headers[header]
  const setting = SETTINGS[code]
  const isPageRefused = origin !== undefined && !reply.hasHeader('access-control-allow-origin')
  return {
    ...(client !== undefined && { client: cut(client) }),
    ...(faults.length > 0 && { faults: faults.slice(0, MAX_FAULTS).map(placeOf) }),
    ...(header !== undefined && { header: sent === undefined ? header : `${header}: ${cut(String(sent))}` }),
    ...(isPageRefused && { origin: cut(origin), setting: 'CORS_ORIGINS' }),
    ...(setting !== undefined && { setting }),
    ...log
  }
}

const placeOf = ({ in: part, path, code }: ApiError['faults'][number]) =>
  code === 'unknown' ? `${part} unknown` : `${part}${path} ${code}`

const cut = (text: string) => text.slice(0, MAX_LENGTH)
