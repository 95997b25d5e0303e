/** A JSON Schema, as plain JSON. */
export interface JsonSchema {
  type?: string | string[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
  description?: string
  [keyword: string]: unknown
}

type Properties = Record<string, JsonSchema>

/** An object schema, as tools have for their arguments. */
export interface ObjectSchema extends JsonSchema {
  type: 'object'
  properties: Record<string, JsonSchema>
  required: string[]
}

interface Parts {
  params?: unknown
  querystring?: unknown
  headers?: unknown
  body?: unknown
}

/**
 * The headers that an argument may set. All others are the caller's own, as it sent them: a credential, an address or an id
 * of the request must not come from the arguments of a tool.
 */
export const HEADERS: ReadonlySet<string> = new Set(['if-match', 'idempotency-key', 'prefer'])

/** The parts of a request in the arguments of a tool, by the name that the schemas of a route have for them. */
export const PARTS = { path: 'params', query: 'querystring', headers: 'headers', body: 'body' } as const

export type Part = keyof typeof PARTS

/** The arguments of an operation: `path`, `query`, `headers` and `body`, each with the route's own schema. */
export function inputSchemaOf(schema: Parts): ObjectSchema {
  const parts = (Object.keys(PARTS) as Part[]).flatMap((part): [Part, JsonSchema][] => {
    const own = partSchema(schema, part)
    return own && !isEmpty(own) ? [[part, own]] : []
  })
  return {
    type: 'object',
    properties: Object.fromEntries(parts),
    required: parts.filter(([part, one]) => part === 'body' || one.required).map(([part]) => part),
    additionalProperties: false
  }
}

/** The schema of one part as plain JSON; undefined where the operation does not have the part. */
function partSchema(schema: Parts, part: Part): JsonSchema | undefined {
  const own = schema[PARTS[part]] as JsonSchema | undefined
  if (!own) return undefined
  const plain = plainSchema(own) as JsonSchema
  if (part === 'body') return plain
  const taken = Object.entries(plain.properties as Properties).filter(
    ([name]) => part !== 'headers' || HEADERS.has(name)
  )
  const properties = Object.fromEntries(taken)
  // A parameter with a default may be left out, though its type is filled in when it is.
  const isNeeded = (name: string) => properties[name] !== undefined && !('default' in properties[name])
  const required = (plain.required ?? []).filter(isNeeded)
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false }
}

const isEmpty = ({ type, properties = {} }: JsonSchema) => type === 'object' && Object.keys(properties).length === 0

/** A schema without the names and notes that mean something only in this server. */
export function plainSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plainSchema)
  if (typeof schema !== 'object' || schema === null) return schema
  const { 'x-documented': documented, ...rest } = schema as JsonSchema
  if (documented) return plainSchema({ ...(documented as object), description: rest.description })
  const kept = Object.entries(rest)
    .filter(([keyword, value]) => keyword !== '$id' && !keyword.startsWith('x-') && value !== undefined)
    .map(([keyword, value]) => [keyword, keyword === 'properties' ? plainProperties(value) : plainSchema(value)])
  return withOneType(Object.fromEntries(kept))
}

// A field may have the name of a keyword.
const plainProperties = (properties: unknown) =>
  Object.fromEntries(Object.entries(properties as object).map(([name, one]) => [name, plainSchema(one)]))

// The dialects that some models have for tools know no lists of types.
function withOneType({ type, description, ...rest }: JsonSchema): JsonSchema {
  const described = description === undefined ? {} : { description }
  if (!Array.isArray(type)) return { ...(type !== undefined && { type }), ...described, ...rest }
  const branches = type.map((one) => (one === 'null' ? { type: one } : { type: one, ...rest }))
  return { ...described, anyOf: branches }
}
