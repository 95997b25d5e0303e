import { type Fault, validationFailed } from '../errors.ts'
import { compileValidator } from '../schema/validate.ts'
import type { OperationTool } from './operations.ts'
import { type JsonSchema, type ObjectSchema, PARTS, type Part } from './schemas.ts'

/** The request that a call of a tool stands for. */
export interface ToolRequest {
  method: string
  /** The declared path of the route that it must reach. */
  route: string
  /** Path and query. */
  url: string
  headers: Record<string, string>
  /** JSON; undefined where there is no body. */
  payload: string | undefined
}

interface Arguments {
  path?: Record<string, Scalar>
  query?: Record<string, Scalar | Scalar[]>
  headers?: Record<string, string>
  body?: unknown
}
type Scalar = string | number | boolean

/**
 * Spells the arguments of a tool as a request. The route itself validates their values; here only what a request cannot
 * hold is refused: unknown parts, unknown names, and values that have no spelling in their part.
 * @throws ApiError VALIDATION_FAILED with the place of each fault.
 */
export function requestOf({ method, url, inputSchema, schema }: OperationTool, given: unknown): ToolRequest {
  const valid = compileValidator(spellable(inputSchema), 'body')(given)
  if (valid !== true) throw validationFailed(valid.error.faults.map(inItsPart))
  const { path = {}, query = {}, headers, body } = given as Arguments
  // Where a value is a dot segment the URL leads elsewhere: the request is then refused, since it must reach this route.
  const filled = url.replace(/:(\w+)/g, (_place, name: string) => encodeURIComponent(path[name] as Scalar))
  const { properties = {} } = (schema.querystring ?? {}) as JsonSchema
  const pairs = Object.entries(query).flatMap(([name, value]) => pairsOf(name, value, properties[name]))
  return {
    method,
    route: url,
    url: pairs.length > 0 ? `${filled}?${pairs.join('&')}` : filled,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    payload: body === undefined ? undefined : JSON.stringify(body)
  }
}

// A list is separated by commas, or where its schema says so by repeating the parameter. A comma within a value is
// encoded, so it does not separate two.
function pairsOf(name: string, value: Scalar | Scalar[], schema: JsonSchema | undefined): string[] {
  const key = encodeURIComponent(name)
  const texts = [value].flat().map(encodeURIComponent)
  const { 'x-documented': documented = schema } = { ...schema }
  const isRepeated = (documented as JsonSchema | undefined)?.['x-repeated'] === true
  return isRepeated ? texts.map((text) => `${key}=${text}`) : [`${key}=${texts.join(',')}`]
}

const SCALARS = ['string', 'number', 'boolean']
const VALUES: Record<Part, JsonSchema> = {
  path: { type: SCALARS },
  query: { type: [...SCALARS, 'array'], items: { type: SCALARS } },
  // What Node lets into a header: no line breaks, which would end it and begin another.
  headers: { type: 'string', pattern: '^[\\x20-\\x7e\\xa0-\\xff]*$' },
  body: {}
}

/** The schema of arguments that can be spelled as a request, whatever their route says about the values. */
function spellable({ properties, required }: ObjectSchema): JsonSchema {
  const parts = Object.entries(properties).map(([part, { properties: own = {}, required: needed = [] }]) => {
    if (part === 'body') return [part, VALUES.body]
    const values = Object.fromEntries(Object.keys(own).map((name) => [name, VALUES[part as Part]]))
    // A path has no place for a missing value; the route tells the other ones.
    const required = part === 'path' ? needed : []
    return [part, { type: 'object', properties: values, required, additionalProperties: false }]
  })
  return {
    type: 'object',
    properties: Object.fromEntries(parts),
    required: required.filter((part) => part === 'path'),
    additionalProperties: false
  }
}

function inItsPart(fault: Fault): Fault {
  const [, part, rest] = /^\/([^/]*)(\/.*)?$/s.exec(fault.path) as unknown as [string, string, string | undefined]
  const isPart = part in PARTS && rest !== undefined
  return isPart ? { ...fault, in: part as Fault['in'], path: rest } : fault
}
