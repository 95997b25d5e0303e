import type { Answer } from '../openapi/client.ts'
import type { Operation, ResponseObject } from '../openapi/document.ts'
import type { HttpRequest } from '../openapi/request.ts'
import { isJsonMedia } from '../openapi/resources.ts'
import type { Schemas } from '../openapi/schemas.ts'
import { Fault } from './finding.ts'

/** What the document says about an answer of this status: by number, by class (`4XX`), or by default. */
export function responseFor({ responses }: Operation, status: number): ResponseObject | undefined {
  return responses[status] ?? responses[`${Math.floor(status / 100)}XX`] ?? responses.default
}

/**
 * Compares one answer with its documentation: no 5xx, a documented status and media type, a body that fits its schema,
 * headers that fit theirs.
 * @throws Fault for the first promise that it breaks.
 */
export function checkAnswer(operation: Operation, request: HttpRequest, answer: Answer, schemas: Schemas): void {
  const { status, headers, text, json } = answer
  const fault = (...[kind, message, place]: [ConstructorParameters<typeof Fault>[0], string, string?]) =>
    new Fault(kind, operation.id, message, place ?? String(status))
  const response = responseFor(operation, status)
  // An overload that says when to come back is an answer like others.
  const isOverload = status === 503 && headers['retry-after'] !== undefined && response !== undefined
  if (status >= 500 && !isOverload) throw fault('server_error', `the answer is ${status}`)
  if (!response) throw fault('undocumented_status', `${status} is not documented`)
  checkHeaders(operation, answer, response, schemas)

  // The parser of HTTP itself leaves no body to these.
  if (request.method === 'HEAD' || status === 204 || status === 304) return
  const contents = Object.entries(response.content ?? {})
  // `Prefer: return=minimal` asks for an answer without a body (RFC 7240).
  if (text === '' && (contents.length === 0 || 'prefer' in request.headers)) return
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (contents.length === 0) throw fault('undocumented_content', `${status} has a body, and none is documented`)
  const media = contents.find(([range]) => matchesMedia(range, type))?.[1]
  if (!media) throw fault('undocumented_content', `${status} comes as '${type}', which is not documented`)
  if (!media.schema || !isJsonMedia(type)) return
  if (json === undefined) throw fault('wrong_answer', `the body of ${status} is not JSON`)
  const isSparse = /[?&](fields|select|%24select)(%5B|=)/.test(request.target)
  const mismatch = schemas.mismatch(media.schema, json, isSparse)
  if (!mismatch) return
  const { path, keyword, message } = mismatch
  throw fault(
    'wrong_answer',
    `the body of ${status} does not fit its schema: ${path || 'it'} ${message}`,
    `${status} ${path} ${keyword}`
  )
}

function checkHeaders(operation: Operation, answer: Answer, response: ResponseObject, schemas: Schemas): void {
  const { status, headers } = answer
  for (const [name, { required, schema }] of Object.entries(response.headers ?? {})) {
    const value = headers[name.toLowerCase()]
    const place = `${status} ${name}`
    if (value === undefined) {
      if (required) throw new Fault('wrong_header', operation.id, `${status} comes without ${name}`, place)
      continue
    }
    const [text] = [value].flat() as [string]
    if (schema && ![text, Number(text), text === 'true'].some((one) => schemas.fits(schema, one)))
      throw new Fault('wrong_header', operation.id, `${name}: ${text} does not fit its schema`, place)
  }
}

function matchesMedia(range: string, type: string): boolean {
  const [expected = ''] = range.toLowerCase().split(';')
  return expected === type || expected === '*/*' || (expected.endsWith('/*') && type.startsWith(expected.slice(0, -1)))
}
