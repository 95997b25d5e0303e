import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiError } from '../errors.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'

/** The answer of an operation before anything is sent: its transaction may still store it, or fail. */
export interface Answer {
  status: number
  headers: Record<string, string>
  /** Serialized by the route's schema for the status, except a string, which is sent as it is. */
  body?: unknown
  /** The body with `Prefer: return=minimal`; no body when this is left out. */
  minimalBody?: unknown
}

/**
 * A refusal as an answer, its body as text. It is returned and not thrown, so that its transaction keeps the effects
 * before it: a login that ends because its token was used twice must end.
 */
export function refusal(error: ApiError, { id }: FastifyRequest): Answer & { body: string } {
  const headers = { ...error.headers, 'content-type': PROBLEM_TYPE }
  return { status: error.statusCode, headers, body: JSON.stringify(toProblem(error, id)) }
}

export const asItIs = (text: unknown) => text as string

/** Sends an answer: a handler's last step. */
export function send(reply: FastifyReply, { status, headers, body }: Answer): unknown {
  reply.code(status).headers(headers)
  if (typeof body === 'string') {
    if (!headers['content-type']) reply.header('content-type', JSON_TYPE)
    reply.serializer(asItIs)
  }
  return body
}

export const JSON_TYPE = 'application/json; charset=utf-8'

/** What a handler returns to send JSON that is text already: Fastify does not serialize a text of this type. */
export function sendText(reply: FastifyReply, json: string): string {
  reply.header('content-type', JSON_TYPE)
  return json
}
