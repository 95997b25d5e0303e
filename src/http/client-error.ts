import type { Socket } from 'node:net'
import { ApiError, type ErrorCode } from '../errors.ts'
import { type AllowedOrigins, corsHeaders } from './cors.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'

const CODES: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT'
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
  origins: AllowedOrigins
): void {
  // Nobody is left to read it.
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const known = new ApiError(CODES[error.code as string] ?? 'BAD_REQUEST')
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
