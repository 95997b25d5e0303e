import fc from 'fast-check'
import { isScalar, type Resource, resourceOfField } from '../openapi/resources.ts'
import { type Json, type Schema, typesOf } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'
import { referenceTo, UNIQUE } from './template.ts'
import { textsOf } from './text.ts'

/** Which fields a body has, and which of its texts are new each time. */
export interface Variation {
  fields: 'all' | 'required'
  unique: 'all' | 'required' | 'none'
  /** Whether numbers are as large as they may be: a row that others refer to must not run out of stock. */
  isLarge: boolean
}

/** What of a document a body is made for. */
export interface Making {
  schemas: Schemas
  resources: Resource[]
  /** The path of the operation. */
  path: string
  variation: Variation
}

const DEEPEST = 6

/** What to try, the fullest body first: a server may refuse what its document permits (a role that is not there). */
export const VARIATIONS: Variation[] = [
  { fields: 'all', unique: 'all', isLarge: true },
  { fields: 'all', unique: 'all', isLarge: false },
  { fields: 'all', unique: 'required', isLarge: false },
  { fields: 'required', unique: 'required', isLarge: false },
  { fields: 'required', unique: 'none', isLarge: false }
]

/**
 * A body as callers usually send it: the examples of the schema, or the simplest values, with marks in the places of ids of
 * other rows and of texts that must be new each time.
 */
export function typicalBody(schema: Schema, making: Making): Json {
  return typicalOf(schema, making, 0, undefined, true)
}

/** The collections that the marks of a body refer to. */
export function referencesIn(body: Json): string[] {
  return [...new Set([...JSON.stringify(body).matchAll(/\\u0001ref ([^"\\]*)\\u0001/g)].map(([, to]) => to as string))]
}

function typicalOf(given: Schema, making: Making, depth: number, field: string | undefined, isNeeded: boolean): Json {
  const schema = making.schemas.flatten(given)
  const types = typesOf(schema)
  if (field !== undefined && isScalar(schema) && types.length > 0) {
    const resource = resourceOfField(making.resources, making.path, field)
    if (resource?.create && (isNeeded || !types.includes('null'))) return referenceTo(resource.collection)
    if (resource && types.includes('null')) return null
  }
  const known = schema.const ?? schema.enum?.[0]
  if (known !== undefined) return known
  const branch = (schema.anyOf ?? schema.oneOf)?.[0]
  if (branch)
    return typicalOf({ allOf: [{ ...schema, anyOf: [], oneOf: [] }, branch] }, making, depth + 1, field, isNeeded)
  const type = types.find((one) => one !== 'null')
  if (type === 'object') return objectOf(schema, making, depth)
  if (type === 'array') return listOf(schema, making, depth, field)
  if (type === 'integer' || type === 'number') return numberOf(schema, making)
  if (type === 'string') return textOf(schema, making, isNeeded)
  return (schema.examples?.[0] ?? schema.default ?? type === 'boolean') as Json
}

function objectOf({ properties = {}, required = [], examples }: Schema, making: Making, depth: number): Json {
  const written = Object.entries(properties).filter(([name, one]) => {
    const isWanted = making.variation.fields === 'all' && depth < DEEPEST
    return (required.includes(name) || isWanted) && !making.schemas.flatten(one).readOnly
  })
  if (written.length === 0) return examples?.[0] ?? {}
  return Object.fromEntries(
    written.map(([name, one]) => [name, typicalOf(one, making, depth + 1, name, required.includes(name))])
  )
}

function listOf(
  { items = {}, minItems = 0, examples, default: standard }: Schema,
  making: Making,
  depth: number,
  field?: string
): Json {
  if (minItems === 0) return examples?.[0] ?? standard ?? []
  return Array.from({ length: minItems }, () => typicalOf(items, making, depth + 1, field, true))
}

function numberOf(schema: Schema, { variation }: Making): Json {
  const { minimum, maximum, exclusiveMinimum, multipleOf } = schema
  if (variation.isLarge && maximum !== undefined) return maximum
  const least = minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + 1)
  return schema.examples?.[0] ?? schema.default ?? Math.min(Math.max(multipleOf ?? 1, least ?? 1), maximum ?? Infinity)
}

function textOf(schema: Schema, { schemas, variation }: Making, isNeeded: boolean): Json {
  const isUnique = variation.unique === 'all' || (variation.unique === 'required' && isNeeded)
  const given = schema.examples?.[0] ?? schema.default
  if (isUnique && schema.format === 'email') return `u${UNIQUE}@example.com`
  if (isUnique && schema.format === undefined) {
    const start =
      typeof given === 'string' ? given.slice(0, Math.max(0, (schema.maxLength ?? 200) - UNIQUE.length - 1)) : 'text'
    for (const text of [`${start}-${UNIQUE}`, `${start}${UNIQUE}`, UNIQUE]) {
      // The number has only digits and small letters; what stands in for it while the schema is asked must, too.
      if (schemas.fits(schema, text.replaceAll(UNIQUE, 'u'.repeat(UNIQUE.length)))) return text
    }
  }
  return given ?? (fc.sample(textsOf(schema), { numRuns: 1, seed: 1 })[0] as string)
}
