import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import type { FastifySchema, RouteOptions } from 'fastify'
import { catalogue, type ErrorCode } from '../errors.ts'
import { PROBLEM_TYPE, Problem } from '../http/problem.ts'
import type { Access } from '../identity/scopes.ts'

export type Described = Omit<FastifySchema, 'response'> & { response?: unknown }

/** Describes the access of a route: the security requirements, of which one is enough, with the scope. */
export function describeSecurity(schema: Described, route: RouteOptions): Described {
  // A route's own declaration wins: it may authenticate in its own way.
  if (schema.security) return schema
  const access = route.config?.access as Access | undefined
  if (!access || access === 'public') return { ...schema, security: [] }
  if (access === 'client') return { ...schema, security: [{ client: [] }, {}] }
  if (access === 'account') return { ...schema, security: [{ bearer: [] }] }
  const scopes = access === 'authenticated' ? [] : [access]
  return { ...schema, security: [{ bearer: scopes }, { apiKey: scopes }, { oauth2: scopes }] }
}

/** Adds every error that a route can answer with, so that no route has to list them. */
export function describeErrors(schema: Described, route: RouteOptions): Described {
  const access = route.config?.access as Access | undefined
  const declared = route.config?.errors ?? []
  const isChange = ['POST', 'PUT', 'PATCH', 'DELETE'].includes(String(route.method))
  const statuses = [
    400,
    // Even for a public route: an invalid credential is never ignored.
    401,
    ...(access === 'account' || access?.includes(':') ? [403] : []),
    ...declared.map((one) => (typeof one === 'number' ? one : catalogue[one][0])),
    ...(schema.params ? [404, 414] : []),
    ...(isChange ? [409] : []),
    ...(isChange && schema.headers && 'properties' in (schema.headers as object) ? [412] : []),
    // Even for a change without a body: a client may send one.
    ...(isChange ? [413, 415] : []),
    // Even for a route without parameters: Request-Timeout.
    422,
    429,
    500,
    503
  ]
  const codes = codesOf(schema, route, isChange)
  const isMet = (status: number) => [...codes].some((code) => catalogue[code][0] === status)
  const errors = Object.fromEntries(statuses.filter(isMet).map((status) => [status, answerOf(status, codes)]))
  return { ...schema, response: { ...errors, ...(schema.response as object) } }
}

/** Describes `Request-Timeout`. Only in the document: a header that is not sent should cost nothing. */
export function describeTimeout(schema: Described, { config }: RouteOptions): Described {
  const { properties } = (schema.headers ?? {}) as Partial<TObject>
  return {
    ...schema,
    headers: Type.Object({ ...properties, 'request-timeout': requestTimeout(config?.timeoutSeconds) })
  }
}

function requestTimeout(seconds: number | undefined): TSchema {
  const limits =
    seconds === undefined ? 'The limits of the server hold as well.' : `At most ${seconds}, also when left out.`
  return Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      description: `The seconds that the caller waits. When they are over, what was under way is stopped in the database too, unless others wait for the same, and the answer is 503 \`DEADLINE_EXCEEDED\`. ${limits}`,
      examples: [2.5]
    })
  )
}

// Codes of some operations only; every other code goes with its status.
function codesOf(schema: Described, { config, method }: RouteOptions, isChange: boolean): Set<ErrorCode> {
  const { idempotent, acceptsPrefer, errors = [] } = config as Declared
  const properties = (schema.querystring as Partial<TObject> | undefined)?.properties ?? {}
  const isCreated = isChange && schema.body !== undefined
  const when: Partial<Record<ErrorCode, boolean>> = {
    BAD_REQUEST: true,
    INVALID_JSON: schema.body !== undefined,
    UNKNOWN_PREFERENCE: acceptsPrefer === true,
    INVALID_CURSOR: 'cursor' in properties,
    FORBIDDEN: true,
    CONFLICT: isCreated,
    REFERENCE_CONFLICT: isCreated || method === 'DELETE',
    TOO_MANY_AFFECTED: 'max-affected' in properties,
    IDEMPOTENCY_IN_PROGRESS: idempotent === true,
    IDEMPOTENCY_KEY_REUSED: idempotent === true,
    // Only where it is declared.
    RATES_UNAVAILABLE: false
  }
  const isDeclared = (code: ErrorCode) => errors.includes(code)
  const isPossible = (code: ErrorCode) => isDeclared(code) || (when[code] ?? !OF_FEW.has(catalogue[code][0]))
  return new Set((Object.keys(catalogue) as ErrorCode[]).filter(isPossible))
}

// Other codes of these statuses belong to one route or resource, which declares them.
const OF_FEW = new Set<number>([400, 403, 409])

interface Declared {
  idempotent?: boolean
  acceptsPrefer?: boolean
  errors?: (number | ErrorCode)[]
}

function answerOf(status: number, codes: Set<ErrorCode>): object {
  const own = [...codes].filter((code) => catalogue[code][0] === status)
  const description = own.map((code) => `${catalogue[code][1]} (\`${code}\`)`).join(', ')
  return { description, content: { [PROBLEM_TYPE]: { schema: Problem } } }
}
