import { type TSchema, Type } from '@sinclair/typebox'
import { and, eq, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm'
import { bare } from '../../schema/fields.ts'
import { jsonTypeOf } from '../compile/check-types.ts'
import type { Field, Resource } from '../model.ts'
import { ownerColumn } from '../rows/ownership.ts'
import { arrayText } from '../rows/sql.ts'
import { EQUALITY, type Operator } from '../types/column-type.ts'
import type { Join } from './groups.ts'
import { searchSql } from './search.ts'

/** One condition of a list: a field, an operator, and the value that was sent. */
export interface Condition {
  field: Field
  operator: Operator
  value: unknown
}

// No operator names a type: PostgreSQL takes the type of a parameter from the column. And no value goes through the
// column's encoder, which drizzle has for its own values and not for those of the wire.
const operators: Record<Operator, (field: Field, value: unknown) => SQL> = {
  eq: ({ column }, value) => sql`${column} = ${value}`,
  // For a caller, null is a value that differs from every other; for SQL `<>` it is not.
  ne: (field, value) => orNull(field, sql`${field.column} <> ${value}`),
  gt: ({ column }, value) => sql`${column} > ${value}`,
  gte: ({ column }, value) => sql`${column} >= ${value}`,
  lt: ({ column }, value) => sql`${column} < ${value}`,
  lte: ({ column }, value) => sql`${column} <= ${value}`,
  in: ({ column }, value) => sql`${column} = any(${value})`,
  nin: (field, value) => orNull(field, sql`${field.column} <> all(${value})`),
  like: ({ column }, value) => sql`${column} like ${value}`,
  ilike: ({ column }, value) => sql`${column} ilike ${value}`,
  has: ({ column }, value) => sql`${column} @> ${value}`,
  isNull: ({ column }) => isNull(column)
}

const orNull = ({ column, isNullable }: Field, condition: SQL) =>
  isNullable ? (or(condition, isNull(column)) as SQL) : condition

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
const MAX_PATTERN = 1000

// The id and the last change are filters of every list that shows them.
function filterNames({ declaration: { list = {} }, fields }: Resource): Set<string> {
  const always = ['id', 'updatedAt'].filter((name) => fields.has(name) && list.alwaysFilter !== false)
  return new Set([...(list.filter ?? []), ...always])
}

/** The query parameters of the filters that a resource declares: `field` and `field[operator]`, one by one. */
export function filterParameters(resource: Resource): Record<string, TSchema> {
  const parameters: Record<string, TSchema> = {}
  for (const name of filterNames(resource)) {
    const field = resource.fields.get(name) as Field
    for (const operator of operatorsOf(field)) {
      const parameter = operator === 'eq' ? name : `${name}[${operator}]`
      const description = `\`${name}\` is ${MEANINGS[operator]}.`
      const personal = field.schema['x-personal']
      parameters[parameter] = Type.Optional({
        ...valueSchema(field, operator),
        description,
        ...(personal && { 'x-personal': personal })
      })
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

/** Conditions joined. `not` has one node. */
export interface Group {
  join: Join
  nodes: Node[]
}

export type Node = Condition | Group

/** The condition for the rows of a list: they meet every node, contain the searched words, and belong to the owner. */
export interface ListFilter {
  nodes: Node[]
  q: string | undefined
  ownerId: string | undefined
}

/** The conditions of nodes, those inside groups too, in the order in which their values are bound. */
export const conditionsOf = (nodes: Node[]): Condition[] =>
  nodes.flatMap((node) => ('join' in node ? conditionsOf(node.nodes) : node))

/** The shape of a filter without its values: filters with the same key share a statement. */
export function filterKey({ nodes, q, ownerId }: ListFilter): string {
  return `${nodes.map(nodeKey).join()} ${q !== undefined} ${ownerId !== undefined}`
}

function nodeKey(node: Node): string {
  if ('join' in node) return `${node.join}(${node.nodes.map(nodeKey).join()})`
  const { field, operator, value } = node
  return `${field.name}:${operator === 'isNull' ? value : operator}`
}

/** A filter's values by the names under which `filterSql` binds them. */
export function filterValues({ nodes, q, ownerId }: ListFilter): Record<string, unknown> {
  const values: Record<string, unknown> = { owner: ownerId }
  for (const [index, condition] of conditionsOf(nodes).entries()) values[`f${index}`] = conditionValue(condition)
  if (q !== undefined) values.q = q
  return values
}

/** A filter as SQL. @param bind gives each value's place in it: a placeholder of that name, or the value itself. */
export function filterSql(resource: Resource, filter: ListFilter, bind: (name: string, value: unknown) => unknown) {
  const values = filterValues(filter)
  let index = 0
  const toSql = (node: Node): SQL => {
    if ('join' in node) return JOINED[node.join](node.nodes.map(toSql))
    const name = `f${index++}`
    return conditionSql(node, bind(name, values[name]))
  }
  return and(
    filter.ownerId === undefined ? undefined : eq(ownerColumn(resource), bind('owner', values.owner)),
    filter.q === undefined ? undefined : searchSql(resource, bind('q', values.q)),
    ...filter.nodes.map(toSql)
  )
}

/** Conditions as one. */
export const JOINED: Record<Join, (some: SQL[]) => SQL> = {
  or: (some) => or(...some) as SQL,
  and: (some) => and(...some) as SQL,
  // A null does not meet the condition, so its negation holds; with SQL's own `not` the result would be null.
  not: (some) => sql`(${and(...some)}) is not true`
}

function conditionSql({ field, operator, value }: Condition, bound: unknown): SQL {
  if (operator === 'isNull' && value === false) return isNotNull(field.column)
  return operators[operator](field, bound) as SQL
}

// Lists go as the text of an array, which both drivers pass on as it is.
function conditionValue({ field, operator, value }: Condition): unknown {
  if (operator === 'like' || operator === 'ilike' || operator === 'isNull') return value
  const { parameter = (one: unknown) => one } = field.type
  if (operator === 'has') return arrayText(parameter(value) as unknown[])
  return isOfMany(operator) ? arrayText((value as unknown[]).map(parameter)) : parameter(value)
}

const isOfMany = (operator: Operator) => operator === 'in' || operator === 'nin' || operator === 'has'

function operatorsOf({ schema, type, isNullable }: Field): Operator[] {
  // One of a few values has no pattern and no range.
  const some = choicesOf(schema) ? type.operators.filter((one) => EQUALITY.includes(one)) : type.operators
  return isNullable ? [...some, 'isNull'] : some
}

// The values of an enum, or of a union of literals.
function choicesOf(schema: TSchema): unknown[] | undefined {
  const { enum: values, anyOf, const: value } = bare(schema)
  if (values) return values
  if (value !== undefined) return [value]
  const branches = (anyOf as TSchema[] | undefined)?.map(choicesOf)
  return branches?.every((some) => some !== undefined) ? branches.flat() : undefined
}

function valueSchema(field: Field, operator: Operator): TSchema {
  if (operator === 'isNull') return Type.Boolean()
  if (operator === 'like' || operator === 'ilike') return Type.String({ maxLength: MAX_PATTERN })
  const { minLength: _shortest, minimum: _least, maximum: _most, pattern: _pattern, ...value } = bare(field.schema)
  const choices = choicesOf(field.schema)
  const type = jsonTypeOf(field.schema)
  const one = choices
    ? Type.Unsafe({ type, enum: choices })
    : withExamples(field.type.filter(value as TSchema, field.column), value.items ?? value)
  return isOfMany(operator) ? Type.Array(one, { minItems: 1, maxItems: MAX_LISTED }) : one
}

const withExamples = (schema: TSchema, { examples }: TSchema): TSchema => ({ ...schema, ...(examples && { examples }) })
