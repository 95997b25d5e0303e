import { type TSchema, Type } from '@sinclair/typebox'
import { validationFailed } from '#src/errors.ts'
import { bare } from '#src/schema/fields.ts'
import { pointer } from '#src/schema/pointer.ts'
import { columnType } from './column-type.ts'

/** The first number that a whole number of 16 or 32 bits cannot hold. */
const LIMITS = new Map([
  ['smallint', 2 ** 15],
  ['smallserial', 2 ** 15],
  ['integer', 2 ** 31],
  ['serial', 2 ** 31]
])

/** A number, or its text where a double cannot hold it. */
function exactInteger(value: unknown): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/** A decimal as a number, or as its text where a number would lose digits. */
export function exactDecimal(value: unknown): number | string {
  const digits = String(value).replace(/^-?0*\.?0*|\.|[eE].*$/g, '')
  const number = Number(value)
  return digits.length <= 15 && Number.isFinite(number) ? number : String(value)
}

const isText = (schema: TSchema) => bare(schema).type === 'string'

/** `smallint` and `integer`, their serials too. */
export const integer = columnType({
  name: 'integer',
  sqlTypes: [...LIMITS.keys()],
  wire: ['integer', 'number'],
  isSummable: true,
  isNative: true,
  // Added up it may be more than a number holds.
  reader: () => exactInteger,
  // A bigint needs no such look: bodies have no number beyond 2^53.
  store(column, path, { minimum, maximum }) {
    const limit = LIMITS.get(column.getSQLType()) as number
    if (minimum >= -limit && maximum < limit) return undefined
    return function storeInteger(value) {
      const number = value as number
      if (number >= -limit && number < limit) return value
      const [code, message] = number < 0 ? ['minimum', `must be >= ${-limit}`] : ['maximum', `must be <= ${limit - 1}`]
      throw validationFailed([{ in: 'body', path: `/${path.map(pointer).join('/')}`, code, message }])
    }
  },
  // What the column can hold: a bound of the field would refuse `stock[lt]=2000000`, which has a right answer.
  filter(_schema, column) {
    const limit = LIMITS.get(column.getSQLType()) as number
    return Type.Integer({ minimum: -limit, maximum: limit - 1 })
  },
  note: ''
})

/** `bigint`: as an integer up to 2^53, as text for all that it holds. */
export const bigint = columnType({
  name: 'bigint',
  sqlTypes: ['bigint', 'bigserial'],
  wire: ['integer', 'number', 'string'],
  isSummable: true,
  reader: (schema) => (isText(schema) ? String : exactInteger),
  filter: (schema) =>
    isText(schema)
      ? Type.String({ pattern: '^-?(0|[1-9]\\d{0,18})$', examples: ['9007199254740993'] })
      : Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  note: 'As an integer up to 2^53, a text beyond; with a text schema always a text.'
})

/** `numeric`: exact as text; as a number where that loses no digit. */
export const numeric = columnType({
  name: 'numeric',
  sqlTypes: ['numeric', 'decimal'],
  wire: ['string', 'number', 'integer'],
  isSummable: true,
  reader: (schema) => (isText(schema) ? String : exactDecimal),
  filter: (schema) =>
    isText(schema) ? Type.String({ pattern: '^-?\\d{1,1000}(\\.\\d{1,1000})?$', examples: ['19.90'] }) : Type.Number(),
  note: 'Exact with a text schema; with a number schema a text beyond 15 digits.'
})

/** `real` and `double precision`. */
export const float = columnType({
  name: 'double precision',
  sqlTypes: ['real', 'double precision'],
  wire: ['number'],
  isSummable: true,
  reader: () => Number,
  isNative: true,
  filter: () => Type.Number(),
  note: ''
})

/** `boolean`. */
export const boolean = columnType({
  name: 'boolean',
  sqlTypes: ['boolean'],
  wire: ['boolean'],
  operators: ['eq', 'ne'],
  hasExtremes: false,
  isNative: true,
  // Inside an array it comes as its letter.
  reader: () => (value) => value === true || value === 't',
  filter: () => Type.Boolean(),
  note: ''
})
