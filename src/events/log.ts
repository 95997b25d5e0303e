import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  like,
  lt,
  or,
  type SQL,
  sql
} from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { type Access, allows } from '#src/identity/scopes.ts'
import { placeEvents } from './place.ts'
import { events } from './table.ts'

/** A resource that records events, as their readers need it. */
export interface EventSource {
  /** `products`. */
  resource: string
  /** What reading the resource takes. */
  read: Access
  isOwned: boolean
  /** The types of its events, each once: `product.created`. */
  types: string[]
  /** Makes the JSON texts of answers from stored rows, in their order. @param stored JSON texts. */
  render: (stored: string[]) => Promise<string[]>
}

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

/** Which part of the order is asked for. */
export interface EventSpan {
  after?: number | undefined
  before?: number | undefined
  limit: number
  isNewestFirst?: boolean
}

/** An event as readers get it. */
export interface RecordedEvent {
  /** A UUIDv7. */
  id: string
  /** Its place in the order of all events, from 1: a reader goes on after the last that it got. */
  position: number
  type: string
  subject: string
  /** RFC 3339. */
  timestamp: string
  /** The whole event as JSON text: `{ id, type, subject, timestamp, data, actor, requestId }`. */
  text: string
}

/** The events of all resources, in the order that readers follow. */
export class EventLog {
  readonly #db: Database
  readonly #sources = new Map<string, EventSource>()

  constructor(db: Database) {
    this.#db = db
  }

  /** Adds a resource. */
  add(source: EventSource): void {
    this.#sources.set(source.resource, source)
  }

  /** The types of all events that there can be. */
  get types(): string[] {
    return [...this.#sources.values()].flatMap(({ types }) => types)
  }

  /** Whether a type, or a beginning of types (`product.*`), can have events. */
  isKnownType(type: string): boolean {
    return (
      type === '*' || this.types.some((one) => (isPattern(type) ? one.startsWith(type.slice(0, -1)) : one === type))
    )
  }

  /**
   * Events that a caller may read, in order: of each resource that it may read, and there of its own rows where it may
   * read no others. Everything that was committed before the call is among them.
   */
  async read(principal: Principal, filter: EventFilter, span: EventSpan): Promise<RecordedEvent[]> {
    const audience = this.#audienceSql(principal)
    if (!audience) return []
    await this.place()
    const { after, before, limit, isNewestFirst } = span
    const rows = await this.#db
      .select(SELECTED)
      .from(events)
      .where(
        and(
          isNotNull(events.position),
          after === undefined ? undefined : gt(events.position, after),
          before === undefined ? undefined : lt(events.position, before),
          filter.types && or(...filter.types.map(isOfType)),
          filter.subject === undefined ? undefined : eq(events.subject, filter.subject),
          filter.id === undefined ? undefined : eq(events.id, filter.id),
          filter.since === undefined ? undefined : gte(events.createdAt, filter.since),
          filter.until === undefined ? undefined : lt(events.createdAt, filter.until),
          audience
        )
      )
      .orderBy(isNewestFirst ? desc(events.position) : asc(events.position))
      .limit(limit)
    return this.#render(rows)
  }

  /** The place of the last event, of whichever resource; 0 before the first. */
  async lastPosition(): Promise<number> {
    await this.place()
    const [row] = await this.#db.select({ last: sql<string | null>`max(${events.position})` }).from(events)
    return Number(row?.last ?? 0)
  }

  /** Places all events that are committed, so that they can be read. */
  async place(): Promise<void> {
    while (await placeEvents(this.#db));
  }

  #audienceSql(principal: Principal): SQL | undefined {
    const readable = [...this.#sources.values()].filter(({ read }) => mayRead(principal, read))
    const isWhole = ({ isOwned, resource }: EventSource) => !isOwned || canSeeAllRows(principal, resource)
    const namesOf = (sources: EventSource[]) =>
      inArray(
        events.resource,
        sources.map(({ resource }) => resource)
      )
    const [whole, own] = [readable.filter(isWhole), readable.filter((one) => !isWhole(one))]
    return or(
      whole.length > 0 ? namesOf(whole) : undefined,
      own.length > 0 ? and(namesOf(own), eq(events.ownerId, principal.userId)) : undefined
    )
  }

  // Each resource makes the answers of its rows with one statement.
  async #render(rows: Selected[]): Promise<RecordedEvent[]> {
    const texts = new Map<object, string>()
    for (const [resource, some] of Map.groupBy(rows, (row) => row.resource)) {
      const data = await (this.#sources.get(resource) as EventSource).render(some.map(({ stored }) => stored))
      for (const [index, row] of some.entries()) texts.set(row, data[index] as string)
    }
    return rows.map((row) => {
      const { id, type, subject, createdAt: timestamp, userId, keyId, requestId } = row
      const actor = { ...(userId && { userId }), ...(keyId && { keyId }) }
      const head = JSON.stringify({ id, type, subject, timestamp }).slice(0, -1)
      const tail = JSON.stringify({ actor, requestId }).slice(1)
      const text = `${head},"data":${texts.get(row)},${tail}`
      return { id, position: row.position as number, type, subject, timestamp, text }
    })
  }
}

// The row as text: JavaScript would round its numbers.
const SELECTED = { ...getTableColumns(events), stored: sql<string>`${events.stored}::text` }
type Selected = Omit<typeof events.$inferSelect, 'stored'> & { stored: string }

const isPattern = (type: string) => type.endsWith('*')

function isOfType(type: string): SQL {
  if (!isPattern(type)) return eq(events.type, type)
  return like(events.type, `${type.slice(0, -1).replace(/[%_\\]/g, '\\$&')}%`)
}

function mayRead({ scopes }: Principal, access: Access): boolean {
  return access === 'public' || access === 'authenticated' || allows(scopes, access)
}
