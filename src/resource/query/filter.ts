import { type TSchema, Type } from '@sinclair/typebox'
import {
  and,
  arrayContains,
  eq,
  gt,
  gte,
  ilike,
  isNotNull,
  isNull,
  like,
  lt,
  lte,
  ne,
  or,
  type SQL,
  sql
} from 'drizzle-orm'
import { bare } from '../../schema/fields.ts'
import type { Field, Resource } from '../model.ts'
import { ownerColumn } from '../rows/ownership.ts'
import { arrayText } from '../rows/sql.ts'
import { searchSql } from './search.ts'

/** One condition of a list: a field, an operator, and the value that was sent. */
export interface Condition {
  field: Field
  operator: Operator
  value: unknown
}

type Operator = keyof typeof operators

const operators = {
  eq: (field: Field, value: unknown) => eq(field.column, value),
  // For a caller, null is a value that differs from every other; for SQL `<>` it is not.
  ne: (field: Field, value: unknown) =>
    field.isNullable ? or(ne(field.column, value), isNull(field.column)) : ne(field.column, value),
  gt: (field: Field, value: unknown) => gt(field.column, value),
  gte: (field: Field, value: unknown) => gte(field.column, value),
  lt: (field: Field, value: unknown) => lt(field.column, value),
  lte: (field: Field, value: unknown) => lte(field.column, value),
  in: (field: Field, value: unknown) => sql`${field.column} = any(${value}::${columnType(field)}[])`,
  nin: (field: Field, value: unknown) => {
    const isOther = sql`${field.column} <> all(${value}::${columnType(field)}[])`
    return field.isNullable ? or(isOther, isNull(field.column)) : isOther
  },
  like: (field: Field, value: unknown) => like(field.column, value as string),
  ilike: (field: Field, value: unknown) => ilike(field.column, value as string),
  has: (field: Field, value: unknown) => arrayContains(field.column, sql`${value}::${columnType(field)}`),
  isNull: (field: Field) => isNull(field.column)
}

const MEANINGS: Record<Operator, string> = {
  eq: 'equal to',
  ne: 'not equal to, null included',
  gt: 'greater than',
  gte: 'greater than or equal to',
  lt: 'less than',
  lte: 'less than or equal to',
  in: 'one of, comma-separated (a comma in a value is `%2C`, or the value stands in double quotes)',
  nin: 'none of, comma-separated',
  like: 'matching a pattern, `%` any text and `_` any character',
  ilike: 'matching a pattern, upper and lower case alike',
  has: 'containing each of, comma-separated',
  isNull: 'null (`true`) or not null (`false`)'
}

const MAX_LISTED = 100

/** The query parameters of the filters that a resource declares: `field` and `field[operator]`, one by one. */
export function filterParameters(resource: Resource): Record<string, TSchema> {
  const parameters: Record<string, TSchema> = {}
  for (const name of resource.declaration.list?.filter ?? []) {
    const field = resource.fields.get(name) as Field
    for (const operator of operatorsOf(field)) {
      const parameter = operator === 'eq' ? name : `${name}[${operator}]`
      const description = `\`${name}\` is ${MEANINGS[operator]}.`
      parameters[parameter] = Type.Optional({ ...valueSchema(field, operator), description })
    }
  }
  return parameters
}

/** The conditions in a validated query, in the order of the declaration so that equal shapes have equal statements. */
export function parseFilters(resource: Resource, parameters: string[], query: Record<string, unknown>): Condition[] {
  const conditions: Condition[] = []
  for (const parameter of parameters) {
    const value = query[parameter]
    if (value === undefined) continue
    const [name, operator = 'eq'] = parameter.split(/[[\]]/) as [string, Operator?]
    conditions.push({ field: resource.fields.get(name) as Field, operator, value })
  }
  return conditions
}

/**
 * Which rows a list is about: those that meet every condition, and of each group one alternative with all its
 * conditions, contain what is searched, and belong to the owner.
 */
export interface ListFilter {
  conditions: Condition[]
  groups: Condition[][][]
  q: string | undefined
  ownerId: string | undefined
}

/** What a filter looks like without its values: filters of one key share a statement. */
export function filterKey({ conditions, groups, q, ownerId }: ListFilter): string {
  const keys = conditions.map(conditionKey)
  const groupKeys = groups.map((group) => `(${group.map((all) => all.map(conditionKey).join('&')).join()})`)
  return `${keys.join()} ${groupKeys.join('')} ${q !== undefined} ${ownerId !== undefined}`
}

const conditionKey = ({ field, operator, value }: Condition) =>
  `${field.name}:${operator === 'isNull' ? value : operator}`

/** A filter's values by the names under which `filterSql` binds them. */
export function filterValues({ conditions, groups, q, ownerId }: ListFilter): Record<string, unknown> {
  const values: Record<string, unknown> = { owner: ownerId }
  for (const [index, condition] of [...conditions, ...groups.flat(2)].entries())
    values[`f${index}`] = conditionValue(condition)
  if (q !== undefined) values.q = q
  return values
}

/** A filter as SQL. @param bind gives each value's place in it: a placeholder of that name, or the value itself. */
export function filterSql(resource: Resource, filter: ListFilter, bind: (name: string, value: unknown) => unknown) {
  const values = filterValues(filter)
  let index = 0
  const one = (condition: Condition) => {
    const name = `f${index++}`
    return conditionSql(condition, bind(name, values[name]))
  }
  return and(
    filter.ownerId === undefined ? undefined : eq(ownerColumn(resource), bind('owner', values.owner)),
    filter.q === undefined ? undefined : searchSql(resource, bind('q', values.q)),
    ...filter.conditions.map(one),
    ...filter.groups.map((group) => or(...group.map((all) => and(...all.map(one)))))
  )
}

function conditionSql({ field, operator, value }: Condition, bound: unknown): SQL {
  if (operator === 'isNull' && value === false) return isNotNull(field.column)
  return operators[operator](field, bound) as SQL
}

// Lists go as the text of an array, which both drivers pass on as it is.
function conditionValue({ operator, value }: Condition): unknown {
  return operator === 'in' || operator === 'nin' || operator === 'has' ? arrayText(value as unknown[]) : value
}

function operatorsOf(field: Field): Operator[] {
  const { type, format, enum: values, anyOf } = bare(field.schema)
  const some: Operator[] = ['eq', 'ne', 'in', 'nin']
  const nullable: Operator[] = field.isNullable ? ['isNull'] : []
  if (type === 'array') return ['has', ...nullable]
  if (type === 'boolean') return ['eq', 'ne', ...nullable]
  if (format === 'uuid' || values || anyOf) return [...some, ...nullable]
  if (type === 'string' && format !== 'date-time') return [...some, 'like', 'ilike', ...nullable]
  return ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', ...nullable]
}

function valueSchema(field: Field, operator: Operator): TSchema {
  if (operator === 'isNull') return Type.Boolean()
  const { minLength: _shortest, minimum: _least, maximum: _most, pattern: _pattern, ...value } = bare(field.schema)
  const one = (value.type === 'array' ? value.items : value) as TSchema
  // What the column can hold: a bound of the schema would refuse `stock[lt]=2000000`, which has a right answer.
  if (one.type === 'integer') Object.assign(one, integerRange(field))
  const isList = operator === 'in' || operator === 'nin' || operator === 'has'
  if (!isList) return one
  return Type.Array(one, { minItems: 1, maxItems: MAX_LISTED })
}

function integerRange(field: Field): { minimum: number; maximum: number } {
  return field.column.getSQLType() === 'integer'
    ? { minimum: -2_147_483_648, maximum: 2_147_483_647 }
    : { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }
}

const COLUMN_TYPES = new Map([
  ['uuid', sql`uuid`],
  ['integer', sql`integer`],
  ['bigint', sql`bigint`],
  ['text', sql`text`],
  ['text[]', sql`text[]`],
  ['boolean', sql`boolean`],
  ['timestamp (3) with time zone', sql`timestamptz`]
])

function columnType({ column }: Field): SQL {
  /* c8 ignore next -- no table of ours has a filter on a column of another type yet */
  return COLUMN_TYPES.get(column.getSQLType()) ?? sql`text`
}
