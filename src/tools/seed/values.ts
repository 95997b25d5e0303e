import fc from 'fast-check'
import { v4 } from 'uuid'
import { type Json, type Schema, typesOf } from '../openapi/schema.ts'
import { Schemas } from '../openapi/schemas.ts'
import { valuesOf } from '../values/values.ts'
import { Random } from './random.ts'
import { mailbox, slug, textsByName } from './words.ts'

/** A field that values are made for. */
export interface SeededField {
  /** The name of the resource: `products`. */
  resource: string
  /** The last part of its name on the wire. */
  name: string
  schema: Schema
  /** Whether no two rows may have the same value. */
  isUnique: boolean
  /** Whether its column can hold a value that its schema permits. */
  accepts?: (value: Json) => boolean
  /** What tells the values of this run from those of other seeds: a few letters and digits. */
  mark: string
}

/** Makes the value of a row. @param row its number, from 0: no other row of the same seed has it. */
export type MakeValue = (random: Random, row: number) => Json

/** No values can be made for a field. */
export class SeedError extends Error {
  override name = 'SeedError'
}

const TRIED = 40
const POOL = 300
const NULLS = 0.1
const AS_DEFAULT = 0.8
const [FROM, TO] = [Date.parse('2025-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:00Z')]

/**
 * What makes values of a field: plausible by its name where such a value fits its schema, and else those of the fuzzer.
 * @throws SeedError when no value fits.
 */
export function valueMaker(field: SeededField): MakeValue {
  const schemas = new Schemas({})
  const { name, isUnique, accepts = () => true } = field
  const { schema, takesNull } = withoutNull(field.schema)
  const fits = (make: MakeValue | undefined) => {
    if (!make) return false
    const random = new Random(name)
    return Array.from({ length: TRIED }, (_, row) => make(random, row * 9973)).every(
      (value) => schemas.fits(schema, value) && accepts(value)
    )
  }
  const plausible = plausibleMaker({ ...field, schema })
  const make = fits(plausible) ? (plausible as MakeValue) : drawnMaker({ ...field, schema }, schemas)
  if (isUnique) return make
  if (field.schema.default !== undefined && field.schema.default !== null && !takesNull)
    return mostly(field.schema, make)
  return takesNull ? (random, row) => (random.happens(NULLS) ? null : make(random, row)) : make
}

// A default says what is usual. A number or a list that is empty by default has other values in most rows.
function mostly({ default: usual }: Schema, make: MakeValue): MakeValue {
  if (typeof usual !== 'string' && typeof usual !== 'boolean') return make
  return (random, row) => (random.happens(AS_DEFAULT) ? usual : make(random, row))
}

function withoutNull(given: Schema): { schema: Schema; takesNull: boolean } {
  const { anyOf, ...rest } = given
  const branches = anyOf?.filter(({ type }) => type !== 'null') ?? []
  if (anyOf && branches.length === 1)
    return { schema: { ...rest, ...branches[0] }, takesNull: branches.length < anyOf.length }
  const types = typesOf(given)
  if (!types.includes('null')) return { schema: given, takesNull: false }
  const [type, ...others] = types.filter((one) => one !== 'null')
  const schema = { ...given, type: others.length === 0 ? (type as string) : [type as string, ...others] }
  return {
    schema: { ...schema, ...(given.enum && { enum: given.enum.filter((one) => one !== null) }) },
    takesNull: true
  }
}

function plausibleMaker(field: SeededField): MakeValue | undefined {
  const { schema, isUnique } = field
  const known = schema.const === undefined ? schema.enum : [schema.const]
  if (known) return isUnique ? undefined : (random) => random.pick(known)
  const { type } = schema
  if (type === 'string') return textMaker(field)
  if (type === 'integer' || type === 'number') return numberMaker(field)
  if (type === 'boolean' && !isUnique) return (random) => random.happens(0.5)
  return type === 'array' && !isUnique ? listMaker(field) : undefined
}

function textMaker({ resource, name, schema, isUnique, mark }: SeededField): MakeValue | undefined {
  const { format, maxLength = 500 } = schema
  const end = (row: number) => `${mark}${row.toString(36).padStart(4, '0')}`
  if (format === undefined) {
    const make = textsByName(resource, name)
    if (!isUnique) return (random) => cut(make(random), maxLength)
    const separator = /[.@]/.test(make(new Random(name))) ? '.' : make(new Random(name)).includes(' ') ? ' ' : '-'
    return (random, row) => {
      const ending = end(row)
      const start = cut(make(random), Math.max(0, maxLength - ending.length - 1))
      return start === '' ? ending : `${start}${separator}${ending}`
    }
  }
  if (format === 'uuid') return (random) => v4({ random: random.bytes(16) })
  if (format === 'email') return (random, row) => `${mailbox(random)}${isUnique ? `.${end(row)}` : ''}@example.com`
  if (format === 'uri' || format === 'url')
    return (random, row) => `https://example.com/${slug(random)}${isUnique ? `-${end(row)}` : ''}`
  if (isUnique) return undefined
  if (format === 'date-time') return (random) => new Date(random.between(FROM, TO)).toISOString()
  if (format === 'date') return (random) => new Date(random.between(FROM, TO)).toISOString().slice(0, 10)
  return format === 'iso-4217' ? (random) => random.pick(['EUR', 'USD', 'GBP', 'CHF']) : undefined
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).trimEnd()
}

/** What numbers usually are, by the name of their field. */
const USUAL: [name: RegExp, most: number][] = [
  [/cents|price|amount|total|cost|salary/i, 50_000],
  [/percent|ratio|score|rate/i, 100],
  [/year/i, 2030],
  [/stock|quantity|count/i, 500]
]
const USUAL_MOST = 1000

function numberMaker({ name, schema, isUnique }: SeededField): MakeValue {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  const step = multipleOf ?? (schema.type === 'integer' || isUnique ? 1 : 0.01)
  // A multiple of 0.01 that was added up is none; a quotient is.
  const perUnit = Math.round(1 / step)
  const inSteps = (count: number) => (step < 1 ? count / perUnit : count * step)
  const above = (bound: number, isExcluded: boolean) =>
    Math.ceil(bound / step) + Number(isExcluded && bound % step === 0)
  const least = exclusiveMinimum === undefined ? above(minimum ?? 0, false) : above(exclusiveMinimum, true)
  const most =
    Math.floor((maximum ?? exclusiveMaximum ?? Number.MAX_SAFE_INTEGER) / step) - Number(exclusiveMaximum !== undefined)
  if (isUnique) return (_random, row) => inSteps(least + row)
  const usual = USUAL.find(([pattern]) => pattern.test(name))?.[1] ?? USUAL_MOST
  const end = Math.min(most, Math.max(least + 1, Math.floor(usual / step)))
  return (random) => inSteps(random.between(Math.min(least, end), end))
}

function listMaker(field: SeededField): MakeValue | undefined {
  const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = field.schema
  const make = items && plausibleMaker({ ...field, schema: items })
  if (!make) return undefined
  const most = Math.min(maxItems, Math.max(minItems, 3))
  return (random, row) => {
    const values = new Set<Json>()
    const count = random.between(minItems, most)
    for (let tries = 0; values.size < count && tries < TRIED; tries += 1) values.add(make(random, row))
    return [...values]
  }
}

/** Values of the fuzzer: some of them for all rows, or new ones for as long as there are any. */
function drawnMaker(
  { resource, name, schema, isUnique, accepts = () => true }: SeededField,
  schemas: Schemas
): MakeValue {
  const values = valuesOf(schema, schemas)
  let batch = 0
  const draw = () => {
    batch += 1
    return values ? fc.sample(values, { numRuns: POOL, seed: batch }).filter(accepts) : []
  }
  if (!isUnique) {
    const pool = draw()
    if (pool.length === 0)
      throw new SeedError(`no value can be made for ${name} of ${resource}: give its schema an example`)
    return (random) => random.pick(pool)
  }
  const [seen, waiting] = [new Set<string>(), [] as Json[]]
  return () => {
    for (let tries = 0; waiting.length === 0 && tries < TRIED; tries += 1) {
      for (const value of draw()) {
        const text = JSON.stringify(value)
        if (!seen.has(text)) waiting.push(value)
        seen.add(text)
      }
    }
    const value = waiting.pop()
    if (value === undefined)
      throw new SeedError(`${name} of ${resource} has no more than ${seen.size} different values`)
    return value
  }
}
