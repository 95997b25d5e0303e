import type { FastifyReply, FastifyRequest } from 'fastify'
import { readForAnswer } from '../db/caller.ts'
import type { ApiError } from '../errors.ts'
import { PROBLEM_TYPE, toProblem } from '../schema/problem.ts'
import { etagOf } from './conditional.ts'
import type { ResourceContext, Row } from './context.ts'
import { attachIncludes } from './includes.ts'
import { VERSION } from './resource.ts'
import { JSON_TYPE } from './route.ts'
import { openRow, type Stored } from './stored.ts'

/** What an operation answers, before anything is sent: a transaction may still keep it, or fail. */
export interface Answer {
  status: number
  headers: Record<string, string>
  /** Serialized by the route's schema for the status, except a string, which is sent as it is. */
  body?: unknown
}

/** A stored row with its ETag, as it was written or with what is always added to it. */
export async function answerStored(
  context: ResourceContext,
  stored: Stored,
  status = 200,
  headers: Record<string, string> = {}
): Promise<Answer> {
  const etag = etagOf(stored[VERSION])
  if (context.resource.isPlain) {
    return { status, headers: { ...headers, etag }, body: JSON.stringify(stored.wire) }
  }
  const row = openRow(stored)
  // Not with others, who may be refused.
  await readForAnswer(() => attachIncludes({ ...context, gathered: undefined }, [row]))
  return { status, headers: { ...headers, etag }, body: row }
}

/** A row with its ETag. */
export function answerOf(row: Row, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...headers, etag: etagOf(row[VERSION]) }, body: row }
}

/**
 * A refusal as an answer, its body as text. Given and not thrown, it leaves in a transaction what was done before it: a
 * login that ends because its token was used twice must end.
 */
export function refusal(error: ApiError, { id }: FastifyRequest): Answer & { body: string } {
  const headers = { ...error.headers, 'content-type': PROBLEM_TYPE }
  return { status: error.statusCode, headers, body: JSON.stringify(toProblem(error, id)) }
}

const asItIs = (text: unknown) => text as string

/** Sends an answer: a handler's last step. */
export function send(reply: FastifyReply, { status, headers, body }: Answer): unknown {
  reply.code(status).headers(headers)
  if (typeof body === 'string') {
    if (!headers['content-type']) reply.header('content-type', JSON_TYPE)
    reply.serializer(asItIs)
  }
  return body
}
