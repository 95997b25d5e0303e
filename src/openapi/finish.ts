import { exampleOf, type Json } from './examples.ts'

interface Parameter extends Json {
  in: string
  name: string
  schema: Json
}
interface Response extends Json {
  description: string
}
interface Operation extends Json {
  summary: string
  deprecated?: boolean
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Json> }
  responses: Record<string, Response>
}

const text = (description: string, example: string) => ({ description, schema: { type: 'string' }, example })

// The headers of answers, each described once.
const HEADERS = {
  'X-Request-Id': text(
    'The name of the request: the log line has it, and `instance` of an error.',
    'req-9f3k2a1b5c7d-1'
  ),
  'Server-Timing': text(
    'Milliseconds of its parts: `auth`, `parse`, `db`, `total`.',
    'auth;dur=0.1, parse;dur=0.1, db;dur=1.2, total;dur=1.9'
  ),
  RateLimit: text('What is left of each limit, and for how many seconds.', '"standard-60s";r=59999;t=60'),
  'RateLimit-Policy': text('The limits that hold for the caller.', '"standard-60s";q=60000;w=60'),
  'Retry-After': { description: 'Seconds after which to try again.', schema: { type: 'integer' }, example: 1 },
  'WWW-Authenticate': text('Which credential is wanted, and what was wrong with it.', 'Bearer realm="tenon"'),
  ETag: text('The version of this representation: for `If-Match` and `If-None-Match`.', '"7"'),
  Location: text('The path of what was made.', '/api/v1/items/0192f0c1-2345-7abc-8def-0123456789ab'),
  Link: text('The next and previous page (RFC 8288).', '</api/v1/items?cursor=3kTMd1bQx5>; rel="next"'),
  'Idempotency-Replayed': text('`true` where this is the first answer to the same key again.', 'true'),
  'Preference-Applied': text('What of `Prefer` was done.', 'return=minimal'),
  Deprecation: text('Since when this is deprecated (RFC 9745).', '@1767225600'),
  Sunset: text('When it stops working (RFC 8594).', 'Thu, 31 Dec 2026 00:00:00 GMT')
}

const ref = (name: keyof typeof HEADERS) => ({ $ref: `#/components/headers/${name}` })

/** The headers of one answer of an operation. */
function headersOf(operation: Operation, path: string, method: string, status: number): (keyof typeof HEADERS)[] {
  const takes = (name: string) => operation.parameters?.some((one) => one.in === 'header' && one.name === name)
  const has = (name: string) => operation.parameters?.some((one) => one.in === 'query' && one.name === name)
  const isOk = status < 300
  const isOfOne = takes('if-none-match') === true
  return [
    'X-Request-Id',
    'Server-Timing',
    ...(/^\/(livez|readyz)$/.test(path) ? [] : (['RateLimit', 'RateLimit-Policy'] as const)),
    ...(status === 401 ? (['WWW-Authenticate'] as const) : []),
    ...(status === 429 || status === 503 || (status === 409 && takes('idempotency-key'))
      ? (['Retry-After'] as const)
      : []),
    ...(status === 201 && method === 'post' && takes('prefer') ? (['Location', 'ETag'] as const) : []),
    ...(status === 202 && takes('prefer') ? (['Location'] as const) : []),
    ...(isOfOne && (status === 200 || status === 304) ? (['ETag'] as const) : []),
    ...(isOk && has('cursor') ? (['Link'] as const) : []),
    ...(isKept(status) && takes('idempotency-key') ? (['Idempotency-Replayed'] as const) : []),
    ...(isOk && takes('prefer') ? (['Preference-Applied'] as const) : []),
    ...(operation.deprecated ? (['Deprecation', 'Sunset'] as const) : [])
  ]
}

// An answer that was refused before the operation began, or that failed, is not stored for the same key.
const isKept = (status: number) => status < 300 || [404, 409, 412, 422, 428].includes(status)

const MEANINGS: Record<number, string> = {
  200: 'It was done; the answer is the result.',
  201: 'It was made; the answer is what was made.',
  202: 'It was taken and will be done.',
  204: 'It was done; there is nothing to answer.',
  301: 'It is elsewhere, for good.',
  302: 'It is elsewhere.'
}

const REFUSED = 'It was refused; `error` says why.'

/**
 * Completes every operation from its own description: parameters with a default are optional, each answer describes its
 * headers and its meaning, and bodies and parameters have an example.
 */
export function finishOperations(document: object): object {
  const whole = document as { paths: Record<string, Record<string, Operation>>; components: Json }
  for (const [path, operations] of Object.entries(whole.paths)) {
    for (const [method, operation] of Object.entries(operations)) finish(operation, path, method)
  }
  const text = JSON.stringify(whole.paths)
  const used = Object.entries(HEADERS).filter(([name]) => text.includes(`#/components/headers/${name}"`))
  return { ...document, components: { ...whole.components, headers: Object.fromEntries(used) } }
}

function finish(operation: Operation, path: string, method: string): void {
  for (const parameter of operation.parameters ?? []) {
    if ('default' in parameter.schema) parameter.required = false
    parameter.example ??= exampleOf(parameter.schema)
  }
  for (const body of Object.values(operation.requestBody?.content ?? {})) {
    if (body.schema && body.example === undefined) body.example = exampleOf(body.schema as Json, true)
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    if (!response.description || response.description === 'Default Response')
      response.description = MEANINGS[Number(status)] ?? REFUSED
    const names = headersOf(operation, path, method, Number(status))
    response.headers = Object.fromEntries(names.map((name) => [name, ref(name)]))
  }
}
