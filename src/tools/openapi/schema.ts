/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** A JSON object. */
export type JsonObject = { [name: string]: Json }

/** A JSON Schema of OpenAPI 3.1, by which an older document is rewritten. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  pattern?: string
  const?: Json
  enum?: Json[]
  default?: Json
  examples?: Json[]
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  minProperties?: number
  maxProperties?: number
  required?: string[]
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  propertyNames?: Schema
  additionalProperties?: boolean | Schema
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  readOnly?: boolean
  writeOnly?: boolean
  description?: string
  /** The schema of what a text is. */
  contentSchema?: Schema
}

/** Whether a value is a JSON object, neither null nor a list. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The types that a schema names; all that it may have when it names none. */
export function typesOf(schema: Schema): string[] {
  if (schema.type !== undefined) return [schema.type].flat()
  if (schema.properties || schema.required || schema.additionalProperties !== undefined) return ['object']
  if (schema.items || schema.minItems !== undefined || schema.maxItems !== undefined) return ['array']
  if (schema.pattern || schema.format || schema.minLength !== undefined || schema.maxLength !== undefined)
    return ['string']
  if (schema.minimum !== undefined || schema.maximum !== undefined || schema.multipleOf !== undefined) return ['number']
  return []
}

/**
 * Rewrites what OpenAPI 3.0 spells otherwise than JSON Schema: `nullable`, a boolean `exclusiveMinimum`, `example`.
 * A document of 3.1 comes back as it is, but for `example`.
 */
export function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema)
  if (!isObject(node)) return node
  const schema: Record<string, unknown> = Object.fromEntries(
    // Values are data, not schemas.
    Object.entries(node).map(([name, value]) => [name, DATA.includes(name) ? value : toJsonSchema(value)])
  )
  for (const [exclusive, bound] of EXCLUSIVE_BOUNDS) {
    if (schema[exclusive] === true) {
      schema[exclusive] = schema[bound]
      delete schema[bound]
    } else if (schema[exclusive] === false) delete schema[exclusive]
  }
  // A property may be called `example`, too: in its object there is no type, or one that is a schema.
  if ('example' in schema && !('examples' in schema) && schema.type !== undefined && !isObject(schema.type))
    schema.examples = [schema.example]
  // A pattern of another language says nothing here.
  if (typeof schema.pattern === 'string' && !isPattern(schema.pattern)) delete schema.pattern
  if (schema.nullable !== true) return schema
  delete schema.nullable
  if (Array.isArray(schema.enum)) schema.enum = [...new Set([...schema.enum, null])]
  if (schema.type === undefined) return { anyOf: [schema, { type: 'null' }] }
  schema.type = [...new Set([schema.type, 'null'].flat())]
  return schema
}

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp
  } catch {
    return false
  }
}

const DATA = ['default', 'example', 'examples', 'enum', 'const']
const EXCLUSIVE_BOUNDS = [
  ['exclusiveMinimum', 'minimum'],
  ['exclusiveMaximum', 'maximum']
] as const
