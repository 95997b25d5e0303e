import fc from 'fast-check'
import { isObject, type Json, type Schema, typesOf } from '../openapi/schema.ts'
import type { Schemas } from '../openapi/schemas.ts'

/** A value that breaks its schema in one place. */
export interface Invalid {
  value: Json
  /** A JSON pointer to the place. */
  path: string
  /** What was done to it, in a few words. */
  fault: string
}

const LONGEST = 100_000
const MAX_ADDED_ITEMS = 2_000

/**
 * Values that break a schema in one place, made from valid ones: a wrong type, a value beyond a bound, a missing field, an
 * unknown one. Each is checked to be invalid.
 * @returns undefined when every change of a valid value is valid, too.
 */
export function invalidOf(
  schema: Schema,
  valid: fc.Arbitrary<Json>,
  schemas: Schemas
): fc.Arbitrary<Invalid> | undefined {
  const broken = (value: Json) =>
    [...faultsOf(schema, value, schemas, '')].filter((one) => !schemas.fits(schema, one.value))
  const isPossible = fc.sample(valid, { numRuns: 5, seed: 1 }).some((value) => broken(value).length > 0)
  if (!isPossible) return undefined
  return fc
    .tuple(
      valid.filter((value) => broken(value).length > 0),
      fc.nat({ max: 0x7fffffff })
    )
    .map(([value, choice]) => {
      const all = broken(value)
      return all[choice % all.length] as Invalid
    })
}

/** Every single fault that can be made in a value; some of them may still fit the schema. */
function* faultsOf(given: Schema, value: Json, schemas: Schemas, path: string): Iterable<Invalid> {
  const schema = schemas.flatten(given)
  const fault = (what: string, wrong: Json): Invalid => ({ value: wrong, path, fault: what })
  const types = typesOf(schema)
  for (const [type, wrong] of WRONG_TYPES) {
    const isOfType = types.includes(type) || (type === 'integer' && types.includes('number'))
    if (types.length > 0 && !isOfType) yield fault(`${type} for ${types.join(' or ')}`, wrong)
  }
  if (schema.enum || schema.const !== undefined) yield fault('none of the values', 'none-of-the-values')
  if (typeof value === 'number') yield* numberFaults(schema, fault)
  if (typeof value === 'string') yield* textFaults(schema, fault)
  if (Array.isArray(value)) yield* arrayFaults(schema, value, schemas, path, fault)
  else if (isObject(value)) yield* objectFaults(schema, value, schemas, path, fault)
}

type Fault = (what: string, wrong: Json) => Invalid

const WRONG_TYPES: [string, Json][] = [
  ['null', null],
  ['boolean', true],
  ['string', 'text'],
  ['string', '1'],
  ['string', ''],
  ['integer', 7],
  ['number', 1.5],
  ['array', []],
  ['array', [1]],
  ['object', {}],
  ['object', { a: 1 }]
]

function* numberFaults(schema: Schema, fault: Fault): Iterable<Invalid> {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  if (minimum !== undefined) yield fault('below the minimum', minimum - 1)
  if (maximum !== undefined) yield fault('above the maximum', maximum + 1)
  if (exclusiveMinimum !== undefined) yield fault('at the exclusive minimum', exclusiveMinimum)
  if (exclusiveMaximum !== undefined) yield fault('at the exclusive maximum', exclusiveMaximum)
  yield fault('a fraction', (minimum ?? 0) + 0.5)
  yield fault('very large', 1e300)
  yield fault('very small', -1e300)
}

function* textFaults(schema: Schema, fault: Fault): Iterable<Invalid> {
  const { minLength = 0, maxLength = LONGEST } = schema
  if (minLength > 0) yield fault('too short', 'x'.repeat(minLength - 1))
  if (maxLength < LONGEST) yield fault('too long', 'x'.repeat(maxLength + 1))
  if (schema.format) yield fault(`no ${schema.format}`, 'not of this format')
  if (schema.pattern) for (const wrong of ['', ' ', '!', 'ä', '-1']) yield fault('against the pattern', wrong)
}

function* arrayFaults(schema: Schema, value: Json[], schemas: Schemas, path: string, fault: Fault): Iterable<Invalid> {
  const { minItems = 0, maxItems = MAX_ADDED_ITEMS, uniqueItems, items } = schema
  const first = value[0]
  if (minItems > 0) yield fault('too few items', value.slice(0, minItems - 1))
  if (first !== undefined && maxItems < MAX_ADDED_ITEMS) yield fault('too many items', Array(maxItems + 1).fill(first))
  if (first !== undefined && uniqueItems) yield fault('an item twice', [...value, first])
  if (first === undefined || !items) return
  for (const one of faultsOf(items, first, schemas, `${path}/0`))
    yield { ...one, value: [one.value, ...value.slice(1)] }
}

function* objectFaults(
  schema: Schema,
  value: { [name: string]: Json },
  schemas: Schemas,
  path: string,
  fault: Fault
): Iterable<Invalid> {
  for (const name of schema.required ?? []) {
    const { [name]: _left, ...rest } = value
    yield fault(`without ${name}`, rest)
  }
  yield fault('an unknown field', { ...value, unknownField: 1 })
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const inner = value[name]
    if (inner === undefined) continue
    for (const one of faultsOf(property, inner, schemas, `${path}/${name}`))
      yield { ...one, value: { ...value, [name]: one.value } }
  }
}
