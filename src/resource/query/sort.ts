import { type TSchema, Type } from '@sinclair/typebox'
import { and, asc, desc, isNotNull, isNull, or, type Placeholder, type SQL, sql } from 'drizzle-orm'
import type { Field, Resource } from '../model.ts'

/** One step of an order. The last is always the id, so that no two rows are equal. */
export interface Order {
  field: Field
  isDescending: boolean
}

const MAX_SORTED = 4

/** The query parameter `sort`. */
export function sortParameter(resource: Resource): TSchema {
  const names = ['id', ...(resource.declaration.list?.sort ?? [])]
  const values = names.flatMap((name) => [name, `-${name}`])
  return Type.Optional(
    Type.Array(Type.Unsafe<string>({ type: 'string', enum: values }), {
      minItems: 1,
      maxItems: MAX_SORTED,
      uniqueItems: true,
      description: 'Fields to sort by, comma-separated, `-` for descending. Newest first when left out.'
    })
  )
}

/** The order that a validated `sort` asks for. Without one it is newest first: ids are UUIDv7, which grow with time. */
export function parseSort(resource: Resource, names: string[] = ['-id']): Order[] {
  const orders: Order[] = []
  for (const text of names) {
    const name = text.replace(/^-/, '')
    // Fields after the id sort nothing, since ids are unique, and a repeated field changes nothing.
    if (orders.some(({ field }) => field.name === name || field.name === 'id')) continue
    orders.push({ field: resource.fields.get(name) as Field, isDescending: text.startsWith('-') })
  }
  const last = orders.at(-1) as Order
  if (last.field.name !== 'id')
    orders.push({ field: resource.fields.get('id') as Field, isDescending: last.isDescending })
  return orders
}

export const orderKey = (orders: Order[]) =>
  orders.map(({ field, isDescending }) => (isDescending ? `-${field.name}` : field.name)).join(',')

/** The same order, walked the other way. */
export const reverse = (orders: Order[]) => orders.map((order) => ({ ...order, isDescending: !order.isDescending }))

// Nulls are the largest values, as PostgreSQL's indexes have them: last ascending, first descending.
export const orderSql = (orders: Order[]): SQL[] =>
  orders.map(({ field, isDescending }) => (isDescending ? desc(field.column) : asc(field.column)))

/**
 * The rows that come after a given one in an order.
 * @param values which of the row's sort values are null; the others are placeholders `c0`, `c1`, …
 */
export function afterSql(orders: Order[], values: unknown[]): SQL {
  const placeholders = orders.map((_, index) => sql.placeholder(`c${index}`))
  const isUniform = orders.every((order) => order.isDescending === orders[0]?.isDescending)
  if (isUniform && !orders.some(({ field }) => field.isNullable)) return rowComparison(orders, placeholders)
  const branches = orders.map((order, index) => {
    const equal = orders.slice(0, index).map((one, i) => isEqual(one, values[i], placeholders[i] as Placeholder))
    const after = isAfter(order, values[index], placeholders[index] as Placeholder)
    return after && and(...equal, after)
  })
  const first = orders[0] as Order
  return and(bound(first, values[0], placeholders[0] as Placeholder), or(...branches)) as SQL
}

// One comparison of rows, which an index answers by going straight to the place, on page 10,000 as on page 1.
function rowComparison(orders: Order[], placeholders: Placeholder[]): SQL {
  const columns = sql.join(
    orders.map(({ field }) => sql`${field.column}`),
    sql`, `
  )
  const values = sql.join(placeholders, sql`, `)
  return orders[0]?.isDescending ? sql`(${columns}) < (${values})` : sql`(${columns}) > (${values})`
}

// Implied by the branches; said once more because an index can start from it and not from a disjunction.
function bound({ field, isDescending }: Order, value: unknown, placeholder: Placeholder): SQL | undefined {
  if (isDescending) return value === null ? undefined : sql`${field.column} <= ${placeholder}`
  if (value === null) return isNull(field.column)
  return field.isNullable ? undefined : sql`${field.column} >= ${placeholder}`
}

function isEqual({ field }: Order, value: unknown, placeholder: Placeholder): SQL {
  return value === null ? isNull(field.column) : sql`${field.column} = ${placeholder}`
}

function isAfter({ field, isDescending }: Order, value: unknown, placeholder: Placeholder): SQL | undefined {
  if (isDescending) return value === null ? isNotNull(field.column) : sql`${field.column} < ${placeholder}`
  if (value === null) return undefined
  const isGreater = sql`${field.column} > ${placeholder}`
  return field.isNullable ? or(isGreater, isNull(field.column)) : isGreater
}
