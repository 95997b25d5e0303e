import { type TObject, Type } from '@sinclair/typebox'
import type { RouteOptions } from 'fastify'
import { Job } from '../http/job.ts'
import { variantsOf } from '../schema/variants.ts'
import type { Described } from './describe.ts'

/**
 * Adds the headers and answers that every change has. Only in the document, not in the schema that validates: a header
 * that is not sent should cost nothing.
 */
export function describeChange(schema: Described, route: RouteOptions): Described {
  const { idempotent, acceptsPrefer, respondsAsync } = { ...route.config } as Config
  if (!idempotent && !respondsAsync) return schema
  const { properties } = (schema.headers ?? {}) as Partial<TObject>
  const response = schema.response as Record<string, object>
  const prefer = [...(acceptsPrefer ? [OF_CHANGES] : []), ...(respondsAsync ? [ASYNC] : []), UNKNOWN]
  return {
    ...schema,
    headers: Type.Object({
      ...properties,
      ...(idempotent && KeyHeader),
      ...(prefer.length > 1 && preferHeader(prefer.join(' '), acceptsPrefer ? 'return=minimal' : 'respond-async'))
    }),
    response: {
      ...response,
      ...(acceptsPrefer && '200' in response && { 204: Minimal }),
      ...(respondsAsync && { 202: variantsOf(Job).Response })
    }
  }
}

interface Config {
  idempotent?: boolean
  acceptsPrefer?: boolean
  respondsAsync?: boolean
}

const KeyHeader = {
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[!-~]{1,255}$',
      description:
        'Any text that is new for each request. For 24 hours the same key with the same request gets the first answer again, with `Idempotency-Replayed: true`; nothing happens twice. Answers of the operation are kept, refusals too; what was refused before it (401, 403, 422 for the schema) or failed (5xx) can be tried again with the same key. Without a credential the key counts together with the body. What is kept is encrypted, and only the key opens it. The routes of `/oauth` follow their RFCs and ignore this header.',
      examples: ['0192f0c1-2345-7abc-8def-0123456789ab']
    })
  )
}
const OF_CHANGES =
  '`return=minimal` leaves the body of the answer out. `tx=rollback` does everything, answers, and keeps nothing.'
const ASYNC = '`respond-async` answers at once, with 202 and the job that does the work, which its `Location` reads.'
const UNKNOWN = 'What is not known is passed over, unless `handling=strict` is there too (RFC 7240).'

const preferHeader = (description: string, example: string) => ({
  prefer: Type.Optional(Type.String({ description, examples: [example] }))
})
const Minimal = Type.Null({ description: 'Done, without a body as `Prefer: return=minimal` asks.' })
