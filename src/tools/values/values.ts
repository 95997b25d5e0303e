import fc from 'fast-check'
import { isObject, type Json, type Schema, typesOf } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'
import { examplesOf, textsOf } from './text.ts'

const DEEPEST = 4
const MAX_ITEMS_AT_BOUND = 60

/**
 * Values that fit a schema, as a caller sends them: fields that only the server writes are left out. They keep to the bounds
 * of the schema and often lie on them.
 * @returns undefined when no valid value could be made, and the schema has no example that is one.
 */
export function valuesOf(schema: Schema, schemas: Schemas): fc.Arbitrary<Json> | undefined {
  const values = anyOf(schema, schemas, 0)
  const fitting = (one: Json) => schemas.fits(schema, one)
  if (fc.sample(values, { numRuns: 60, seed: 1 }).filter(fitting).length > 5) return values.filter(fitting)
  const examples = examplesOf(schemas.flatten(schema)).filter(fitting)
  return examples.length > 0 ? fc.constantFrom(...examples) : undefined
}

function anyOf(given: Schema, schemas: Schemas, depth: number): fc.Arbitrary<Json> {
  const schema = schemas.flatten(given)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const { anyOf: some, oneOf: one, ...rest } = schema
  const branches = some ?? one
  if (branches) {
    const of = (branch: Schema) =>
      anyOf(Object.keys(rest).length === 0 ? branch : { allOf: [rest, branch] }, schemas, depth + 1)
    // A branch may contain the schema itself: where it is deep, the simplest ends it.
    return depth > DEEPEST ? of(branches.at(-1) as Schema) : fc.oneof(...branches.map(of))
  }
  const types = typesOf(schema).filter((type) => type in MAKERS)
  const ofType = (type: string) => (MAKERS[type] as Maker)(schema, schemas, depth)
  if (types.length === 0) return fc.constantFrom<Json>(null, true, 1, 'text', {}, [])
  return fc.oneof(...types.map((type) => ({ weight: type === 'null' ? 1 : 4, arbitrary: ofType(type) })))
}

type Maker = (schema: Schema, schemas: Schemas, depth: number) => fc.Arbitrary<Json>

const MAKERS: Record<string, Maker> = {
  null: () => fc.constant(null),
  boolean: () => fc.boolean(),
  string: (schema) => textsOf(schema),
  integer: (schema) => integersOf(schema),
  number: (schema) => numbersOf(schema),
  array: arraysOf,
  object: objectsOf
}

function rangeOf(schema: Schema): { least: number; most: number } {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, format } = schema
  const bound = format === 'int32' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  const least = Math.max(minimum ?? -bound, exclusiveMinimum === undefined ? -bound : exclusiveMinimum + 1)
  const most = Math.min(maximum ?? bound, exclusiveMaximum === undefined ? bound : exclusiveMaximum - 1)
  return { least: Math.ceil(least), most: Math.floor(most) }
}

function integersOf(schema: Schema): fc.Arbitrary<number> {
  const { least, most } = rangeOf(schema)
  const step = Number.isInteger(schema.multipleOf) ? (schema.multipleOf as number) : 1
  const [from, to] = [Math.ceil(least / step), Math.max(Math.ceil(least / step), Math.floor(most / step))]
  const bounds = [from, from + 1, to - 1, to, 0, 1].filter((one) => one >= from && one <= to)
  const small = fc.integer({ min: Math.max(from, Math.min(0, to)), max: Math.min(to, Math.max(from, 0) + 1000) })
  return fc
    .oneof(
      { weight: 4, arbitrary: small },
      { weight: 2, arbitrary: fc.constantFrom(...bounds) },
      { weight: 1, arbitrary: fc.integer({ min: from, max: to }) }
    )
    .map((times) => times * step + 0)
}

function numbersOf(schema: Schema): fc.Arbitrary<number> {
  if (schema.multipleOf !== undefined && !Number.isInteger(schema.multipleOf)) {
    const step = schema.multipleOf
    const { minimum = -1000, maximum = 1000 } = schema
    return fc.integer({ min: Math.ceil(minimum / step), max: Math.floor(maximum / step) }).map((times) => times * step)
  }
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const least = minimum ?? exclusiveMinimum ?? -1_000_000
  const most = maximum ?? exclusiveMaximum ?? Math.max(1_000_000, least + 1)
  const hundredths = fc
    .integer({ min: 0, max: 10_000 })
    .map((part) => Math.round((least + (most - least) * (part / 10_000)) * 100) / 100 + 0)
  return fc.oneof(integersOf(schema), hundredths)
}

function arraysOf(schema: Schema, schemas: Schemas, depth: number): fc.Arbitrary<Json> {
  const { minItems = 0, maxItems = minItems + 4, uniqueItems, items = {}, examples = [] } = schema
  const item = anyOf(items, schemas, depth + 1)
  const of = (minLength: number, maxLength: number): fc.Arbitrary<Json> =>
    uniqueItems
      ? fc.uniqueArray(item, { minLength, maxLength, size: 'max', selector: (one) => JSON.stringify(one) })
      : fc.array(item, { minLength, maxLength, size: 'max' })
  const usual = of(minItems, depth > DEEPEST ? minItems : Math.min(maxItems, minItems + 3))
  const isScalar = !typesOf(schemas.flatten(items)).some((type) => type === 'object' || type === 'array')
  const full =
    isScalar && schema.maxItems !== undefined && maxItems <= MAX_ITEMS_AT_BOUND && !uniqueItems
      ? [{ weight: 1, arbitrary: of(maxItems, maxItems) }]
      : []
  const shown = examples.filter((one) => Array.isArray(one))
  const example = shown.length > 0 ? [{ weight: 2, arbitrary: fc.constantFrom(...shown) }] : []
  return fc.oneof({ weight: 30, arbitrary: usual }, ...full, ...example)
}

function objectsOf(schema: Schema, schemas: Schemas, depth: number): fc.Arbitrary<Json> {
  const {
    properties = {},
    required = [],
    additionalProperties,
    propertyNames,
    minProperties = 0,
    maxProperties
  } = schema
  const written = Object.entries(properties).filter(([name, property]) => {
    const isNeeded = required.includes(name)
    return !schemas.flatten(property).readOnly && (isNeeded || depth <= DEEPEST)
  })
  const model = Object.fromEntries(written.map(([name, property]) => [name, anyOf(property, schemas, depth + 1)]))
  // As many optional fields as not: one alone, and none at all, are bounds, too.
  const chosen = fc.subarray(Object.keys(model).filter((name) => !required.includes(name)))
  const declared = fc
    .tuple(fc.record(model, { noNullPrototype: true }), chosen)
    .map(
      ([all, names]): Json =>
        Object.fromEntries(Object.entries(all).filter(([name]) => required.includes(name) || names.includes(name)))
    )
  if (written.length > 0 || additionalProperties === false) return declared
  const others = isObject(additionalProperties) ? (additionalProperties as Schema) : { type: 'string', maxLength: 20 }
  const names = propertyNames ? textsOf(schemas.flatten(propertyNames)) : textsOf({ minLength: 1, maxLength: 12 })
  const value = anyOf(others, schemas, depth + 1)
  const most = maxProperties ?? minProperties + 4
  const of = (minKeys: number, maxKeys: number): fc.Arbitrary<Json> =>
    fc.dictionary(names, value, { minKeys, maxKeys, noNullPrototype: true, size: 'max' })
  const usual = of(minProperties, Math.min(most, minProperties + 4))
  if (maxProperties === undefined || maxProperties > MAX_ITEMS_AT_BOUND) return usual
  return fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: of(most, most) })
}
