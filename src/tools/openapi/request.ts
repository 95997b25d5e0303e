import type { Operation, Parameter } from './document.ts'
import { isObject, type Json } from './schema.ts'

/** The input of an operation, as JSON: the same input makes the same request again. */
export interface OperationInput {
  path: Record<string, Json>
  query: Record<string, Json>
  header: Record<string, Json>
  cookie: Record<string, Json>
  contentType?: string
  /** A value of the body's schema; the text itself where the media type is neither JSON nor a form. */
  body?: Json
}

/** A request that can be sent. */
export interface HttpRequest {
  method: string
  /** Path and query, from the root of the server's address. */
  target: string
  headers: Record<string, string>
  body: string | undefined
}

/** An input without anything in it. */
export const noInput = (): OperationInput => ({ path: {}, query: {}, header: {}, cookie: {} })

/** Spells an input as a request, each parameter in its style (RFC 6570, as OpenAPI uses it). */
export function requestOf(operation: Operation, input: OperationInput): HttpRequest {
  const { method, path, parameters } = operation
  const filled = path.replace(/\{([^{}]+)\}/g, (_place, name: string) =>
    encodeURIComponent(textOf(input.path[name] ?? ''))
  )
  const query = parameters
    .filter(({ in: place, name }) => place === 'query' && input.query[name] !== undefined)
    .flatMap((parameter) => queryPairs(parameter, input.query[parameter.name] as Json))
  const cookies = Object.entries(input.cookie).map(([name, value]) => `${name}=${encodeURIComponent(textOf(value))}`)
  const headers: Record<string, string> = Object.fromEntries(
    Object.entries(input.header).map(([name, value]) => [name, headerText(textOf(value))])
  )
  if (cookies.length > 0) headers.cookie = cookies.join('; ')
  if (input.contentType !== undefined) headers['content-type'] = input.contentType
  const target = query.length > 0 ? `${filled}?${query.join('&')}` : filled
  return { method, target, headers, body: bodyOf(input) }
}

function bodyOf({ body, contentType }: OperationInput): string | undefined {
  if (body === undefined || contentType === undefined) return undefined
  if (/json/.test(contentType) && !/ndjson/.test(contentType)) return JSON.stringify(body)
  if (contentType === 'application/x-www-form-urlencoded' && isObject(body))
    return new URLSearchParams(
      Object.fromEntries(Object.entries(body).map(([name, value]) => [name, textOf(value)]))
    ).toString()
  return textOf(body)
}

// A header is Latin-1 and has no controls; Node refuses the rest before it is sent.
const headerText = (text: string) => text.replace(/[^\x20-\x7e\xa0-\xff]/g, '?').trim()

const textOf = (value: Json): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.map(textOf).join(',') : JSON.stringify(value)

const escaped = (value: Json) => encodeURIComponent(textOf(value))

function queryPairs({ name, style = 'form', explode = style === 'form', content }: Parameter, value: Json): string[] {
  const key = encodeURIComponent(name)
  if (content) return [`${key}=${encodeURIComponent(JSON.stringify(value))}`]
  if (Array.isArray(value)) {
    if (explode) return value.map((one) => `${key}=${escaped(one)}`)
    const between = style === 'spaceDelimited' ? '%20' : style === 'pipeDelimited' ? '%7C' : ','
    return [`${key}=${value.map(escaped).join(between)}`]
  }
  if (!isObject(value)) return [`${key}=${escaped(value)}`]
  const members = Object.entries(value)
  if (style === 'deepObject')
    return members.map(([member, one]) => `${key}%5B${encodeURIComponent(member)}%5D=${escaped(one)}`)
  if (explode) return members.map(([member, one]) => `${encodeURIComponent(member)}=${escaped(one)}`)
  return [`${key}=${members.flatMap(([member, one]) => [encodeURIComponent(member), escaped(one)]).join(',')}`]
}
