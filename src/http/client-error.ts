import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { ApiError, type ErrorCode } from '../errors.ts'
import { isDraining } from './body/drain.ts'
import { type AllowedOrigins, corsHeaders } from './cors.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'

const CODES: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT'
}
// Both bounds are those of Node and of this server, and no setting changes them.
const HINTS: Partial<Record<ErrorCode, object>> = {
  HEADERS_TOO_LARGE: { limit: '16 KiB of headers' },
  REQUEST_TIMEOUT: { limit: '10 s for the headers, 30 s for the whole request' }
}
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large'
}

/** Answers what is not HTTP, or arrives too slowly, in the one error body; Node would close without a word. */
export function answerClientError(
  error: Error & { code?: string; rawPacket?: unknown },
  socket: Socket,
  requestId: string,
  origins: AllowedOrigins,
  log: Pick<FastifyBaseLogger, 'info'>
): void {
  // The client is gone, so no answer could be read.
  if (error.code === 'ECONNRESET' || !socket.writable || isDraining(socket)) return void socket.destroy()
  const known = new ApiError(CODES[error.code as string] ?? 'BAD_REQUEST')
  const { remoteAddress: ip } = socket
  log.info(
    { requestId, ip, status: known.statusCode, code: known.code, reason: error.code, ...HINTS[known.code] },
    'not read'
  )
  const body = JSON.stringify(toProblem(known, requestId))
  const head = [
    `HTTP/1.1 ${known.statusCode} ${REASONS[known.statusCode]}`,
    `content-type: ${PROBLEM_TYPE}; charset=utf-8`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    'cache-control: no-store',
    ...Object.entries(corsHeaders(origins, originIn(error.rawPacket))).map(([name, value]) => `${name}: ${value}`)
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

// The headers were not parsed in full, so the origin is looked for in what has arrived.
function originIn(packet: unknown): string | undefined {
  const text = Buffer.isBuffer(packet) ? packet.toString('latin1') : ''
  return /\r\norigin: *([!-~]+) *\r\n/i.exec(text)?.[1]
}
