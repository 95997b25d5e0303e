import { and, eq, gte, like, lt, or, type SQL } from 'drizzle-orm'
import { events } from './table.ts'

/** Which events are asked for. What is left out asks for all. */
export interface EventFilter {
  /** Types, or beginnings of types: `order.paid`, `product.*`, `*`. */
  types?: string[] | undefined
  /** `products/<id>`. */
  subject?: string | undefined
  /** The event's id. */
  id?: string | undefined
  /** From when, and until before when: RFC 3339. */
  since?: string | undefined
  until?: string | undefined
}

const isPattern = (type: string) => type.endsWith('*')

/** Whether a type is one, or begins as a pattern says: `order.paid`, `order.*`, `*`. */
export const matchesType = (type: string, pattern: string): boolean =>
  isPattern(pattern) ? type.startsWith(pattern.slice(0, -1)) : type === pattern

/** A filter as a condition; undefined for all events. */
export function filterSql({ types, subject, id, since, until }: EventFilter): SQL | undefined {
  return and(
    types && or(...types.map(isOfType)),
    subject === undefined ? undefined : eq(events.subject, subject),
    id === undefined ? undefined : eq(events.id, id),
    since === undefined ? undefined : gte(events.createdAt, since),
    until === undefined ? undefined : lt(events.createdAt, until)
  )
}

function isOfType(type: string): SQL {
  if (!isPattern(type)) return eq(events.type, type)
  return like(events.type, `${type.slice(0, -1).replace(/[%_\\]/g, '\\$&')}%`)
}
