import type { FastifyReply } from 'fastify'
import { etagOf } from './conditional.ts'
import type { Row } from './context.ts'
import { VERSION } from './resource.ts'

/** What an operation answers, before anything is sent: a transaction may still keep it, or fail. */
export interface Answer {
  status: number
  headers: Record<string, string>
  /** Serialized by the route's schema for the status, except a string, which is sent as it is. */
  body?: unknown
}

/** A row with its ETag. */
export function answerOf(row: Row, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...headers, etag: etagOf(row[VERSION]) }, body: row }
}

const asItIs = (text: unknown) => text as string

/** Sends an answer: a handler's last step. */
export function send(reply: FastifyReply, { status, headers, body }: Answer): unknown {
  reply.code(status).headers(headers)
  if (typeof body === 'string') reply.serializer(asItIs)
  return body
}
