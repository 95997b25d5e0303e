import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import type { FastifySchema, RouteOptions } from 'fastify'
import { catalogue } from '../errors.ts'
import { PROBLEM_TYPE, Problem } from '../http/problem.ts'
import type { Access } from '../identity/scopes.ts'

export type Described = Omit<FastifySchema, 'response'> & { response?: unknown }

/** Says who may use a route: the security requirements, of which one is enough, with the scope. */
export function describeSecurity(schema: Described, route: RouteOptions): Described {
  // What a route says itself is right: it may have a way of its own.
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
  const isChange = ['POST', 'PUT', 'PATCH', 'DELETE'].includes(String(route.method))
  const statuses = [
    400,
    // Also where the route is public: a credential that is not valid is never ignored.
    401,
    ...(access === 'account' || access?.includes(':') ? [403] : []),
    ...(route.config?.errors ?? []),
    ...(schema.params ? [404, 414] : []),
    ...(isChange ? [409] : []),
    ...(isChange && schema.headers && 'properties' in (schema.headers as object) ? [412] : []),
    // Also of a change that takes no body: one that is sent all the same.
    ...(isChange ? [413, 415] : []),
    // Also of a route without parameters: Request-Timeout.
    422,
    429,
    500,
    503
  ]
  const errors = Object.fromEntries(statuses.map((status) => [status, answerOf(status)]))
  return { ...schema, response: { ...errors, ...(schema.response as object) } }
}

/** Says that a route takes `Request-Timeout`, and its own. Only here: a header that is not sent should cost nothing. */
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

function answerOf(status: number): object {
  const codes = Object.entries(catalogue).filter(([, [one]]) => one === status)
  const description = codes.map(([code, [, title]]) => `${title} (\`${code}\`)`).join(', ')
  return { description, content: { [PROBLEM_TYPE]: { schema: Problem } } }
}
