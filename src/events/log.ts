import { and, asc, desc, eq, getTableColumns, gt, inArray, isNotNull, lt, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { type Access, allows } from '#src/identity/scopes.ts'
import { type EventFilter, filterSql, matchesType } from './filter.ts'
import { placeEvents } from './place.ts'
import { eventHead, events } from './table.ts'

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

/** An event by what decides which callers may read it. */
export interface PlacedEvent {
  id: string
  position: number
  type: string
  resource: string
  /** The owner of the row; null where rows of the resource have none. */
  ownerId: string | null
}

/** An event as it is stored, before its resource made the answer of its row. */
export type StoredEvent = Selected & PlacedEvent

/** Events after a place. */
export interface EventsAfter {
  events: RecordedEvent[]
  /** Up to here there are no others for the reader. */
  upTo: number
  hasMore: boolean
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
    return type === '*' || this.types.some((one) => matchesType(one, type))
  }

  /**
   * Events that a caller may read, in order: of each resource that it may read, and there of its own rows where it may
   * read no others. Everything that was committed before the call is among them.
   */
  async read(principal: Principal, filter: EventFilter, span: EventSpan): Promise<RecordedEvent[]> {
    await this.place()
    return this.render(await this.#select(and(filterSql(filter), this.#audienceSql(principal)), span))
  }

  /**
   * The events after a place that a caller may read. A reader that is past events that it may not read does not look at them
   * again.
   * @throws ApiError EVENTS_GONE when events after the place were deleted, or the database has not come so far: it was
   * restored.
   */
  async readAfter(principal: Principal, filter: EventFilter, after: number, limit: number): Promise<EventsAfter> {
    // Read first: what is placed meanwhile is read next time.
    const last = await this.lastPosition(after)
    const which = and(filterSql(filter), this.#audienceSql(principal))
    const rows = last > after ? await this.#select(which, { after, before: last + 1, limit }) : []
    const hasMore = rows.length === limit
    return { events: await this.render(rows), upTo: hasMore ? (rows.at(-1) as StoredEvent).position : last, hasMore }
  }

  /** Events of all resources after a place, in order, for the server's own work: `mayRead` says which callers may see one. */
  async stored(after: number, limit: number): Promise<StoredEvent[]> {
    await this.place()
    return this.#select(inArray(events.resource, [...this.#sources.keys()]), { after, limit })
  }

  /** Whether a caller may read an event. */
  mayRead(principal: Principal, { resource, ownerId }: PlacedEvent): boolean {
    const source = this.#sources.get(resource)
    if (!source || !mayRead(principal, source.read)) return false
    return !source.isOwned || ownerId === principal.userId || canSeeAllRows(principal, resource)
  }

  /**
   * The last place that was given away, of whichever resource; 0 before the first.
   * @param from a place from which all events after it must be there.
   * @throws ApiError EVENTS_GONE when they are not.
   */
  async lastPosition(from?: number): Promise<number> {
    await this.place()
    const oldest = sql`(select min(${events.position}) from ${events} where ${events.position} is not null)`
    const [head] = await this.#db
      .select({ last: eventHead.position, first: sql<string>`coalesce(${oldest}, ${eventHead.position} + 1)` })
      .from(eventHead)
    const { last, first } = head as { last: number; first: string }
    if (from !== undefined && (from + 1 < Number(first) || from > last)) throw new ApiError('EVENTS_GONE')
    return last
  }

  /** Places all events that are committed, so that they can be read. */
  async place(): Promise<void> {
    while (await placeEvents(this.#db));
  }

  #audienceSql(principal: Principal): SQL {
    const readable = [...this.#sources.values()].filter(({ read }) => mayRead(principal, read))
    const isWhole = ({ isOwned, resource }: EventSource) => !isOwned || canSeeAllRows(principal, resource)
    const namesOf = (sources: EventSource[]) =>
      inArray(
        events.resource,
        sources.map(({ resource }) => resource)
      )
    const [whole, own] = [readable.filter(isWhole), readable.filter((one) => !isWhole(one))]
    return or(namesOf(whole), and(namesOf(own), eq(events.ownerId, principal.userId))) as SQL
  }

  #select(which: SQL | undefined, { after, before, limit, isNewestFirst }: EventSpan): Promise<StoredEvent[]> {
    const { position } = events
    const rows = this.#db
      .select(SELECTED)
      .from(events)
      .where(
        and(
          isNotNull(position),
          after === undefined ? undefined : gt(position, after),
          before === undefined ? undefined : lt(position, before),
          which
        )
      )
      .orderBy(isNewestFirst ? desc(position) : asc(position))
      .limit(limit)
    return rows as unknown as Promise<StoredEvent[]>
  }

  /** The events of stored ones, in their order. Each resource makes the answers of its rows with one statement. */
  async render(rows: StoredEvent[]): Promise<RecordedEvent[]> {
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
      return { id, position: row.position, type, subject, timestamp, text }
    })
  }
}

// The row as text: JavaScript would round its numbers.
const SELECTED = { ...getTableColumns(events), stored: sql<string>`${events.stored}::text` }
type Selected = Omit<typeof events.$inferSelect, 'stored'> & { stored: string }

function mayRead({ scopes }: Principal, access: Access): boolean {
  return access === 'public' || access === 'authenticated' || allows(scopes, access)
}
