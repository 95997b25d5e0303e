import { type TObject, Type } from '@sinclair/typebox'
import { and, sql } from 'drizzle-orm'
import { asArrays } from '../../db/rows.ts'
import { validationFailed } from '../../errors.ts'
import { sendText } from '../../http/answer.ts'
import { isNotModified, pageEtag } from '../../http/conditional.ts'
import { IfNoneMatch, NotModified } from '../../http/schemas.ts'
import type { Principal } from '../../identity/principal.ts'
import { documentedAs } from '../../schema/fields.ts'
import { pageOf } from '../../schema/page.ts'
import { compileSerializer } from '../../schema/serialize.ts'
import type { ListAnswer, Page, ResourceContext } from '../context.ts'
import { openRow, type Resource, type Row } from '../model.ts'
import { type ConditionQuery, conditionParameters, makeParseConditions } from '../query/conditions.ts'
import { countExactly, countRoughly } from '../query/count.ts'
import { decodeCursor, encodeCursor, type Place } from '../query/cursor.ts'
import { fieldsParameter, includeParameter, pickFields, SparseSerializers } from '../query/fields.ts'
import { filterKey, filterSql, filterValues, type ListFilter } from '../query/filter.ts'
import { afterSql, type Order, orderKey, orderSql, parseSort, reverse, sortParameter } from '../query/sort.ts'
import type { MakeRoute } from '../route.ts'
import { attachIncludes } from '../rows/includes.ts'
import { ownerOf } from '../rows/ownership.ts'

const DEFAULT_LIMIT = 50
const MAX_OFFSET = 1_000_000

// The limit is a literal of the statement, with few different values. For a parameter PostgreSQL expects a tenth of the
// table, so it rates every plan that it could keep as expensive and plans each list anew, which takes longer than the
// list.
const STEPS = [10, 20, 50, 100, 200]

/** A validated query of a list: the parameters below, and the filters. */
export interface ListQuery extends ConditionQuery {
  limit?: number
  cursor?: string
  offset?: number
  sort?: string[]
  count?: 'exact' | 'estimated'
  fields?: string[]
  include?: string[]
}

/** The query parameters of a resource's list. */
function listParameters(resource: Resource): TObject {
  return Type.Object(
    {
      limit: Type.Integer({
        minimum: 1,
        maximum: 200,
        default: DEFAULT_LIMIT,
        description: 'How many rows a page has.'
      }),
      cursor: Type.Optional(Type.String({ maxLength: 2000, description: '`page.next` or `page.previous` of a page.' })),
      offset: Type.Optional(
        Type.Integer({ minimum: 0, maximum: MAX_OFFSET, description: 'Rows to skip. Cursors are faster and stable.' })
      ),
      sort: sortParameter(resource),
      fields: fieldsParameter(resource),
      ...includeParameter(resource),
      count: Type.Optional(
        Type.Unsafe<string>({
          type: 'string',
          enum: ['exact', 'estimated'],
          description:
            'Adds `page.total`. `estimated` is counted too up to 10,000 rows, and where it depends on who asks; beyond, it is what the planner of the database expects.'
        })
      ),
      ...conditionParameters(resource)
    },
    { additionalProperties: false }
  )
}

/** `GET /`: one page. */
export const listRoute: MakeRoute = (context) => {
  const { resource } = context
  const list = makeList(context)
  const serialize = compileSerializer(pageOf(resource.answer))
  const sparse = new SparseSerializers(resource.answer, (one) => pageOf(one))

  function textOf(page: Page, { fields, include }: ListQuery): string {
    if (!resource.isPlain || include)
      return fields ? sparse.get([...fields, ...(include ?? [])])(page) : serialize(page)
    if (fields) page.data = page.data.map((row) => pickFields(row, fields))
    return JSON.stringify(page)
  }

  const { $id } = resource.declaration.schema
  return {
    method: 'GET',
    url: '',
    access: 'read',
    schema: {
      summary: `List ${resource.name}`,
      description: 'Filtered, sorted and paged. Follow `page.next` until it is null.',
      querystring: listParameters(resource),
      headers: IfNoneMatch,
      response: {
        200: documentedAs(pageOf(resource.answer), pageOf(resource.answer, `${$id}Page`)),
        304: NotModified
      }
    },
    async handler(request, reply) {
      const query = request.query as ListQuery
      const ownerId = ownerOf(request, resource)
      const make = async (): Promise<ListAnswer> => {
        const page = await list(query, ownerId, request.principal)
        // Callers that share the answer share its text.
        const body = textOf(page, query)
        return { body, etag: pageEtag(body), links: linksOf(request.url, page.page) }
      }
      // What depends on the caller is not shared.
      const shared = query.include || resource.declaration.withhold ? undefined : context.batched?.pages
      const { body, etag, links } = await (shared ? shared.get(`${ownerId} ${request.url}`, make) : make())
      reply.header('etag', etag)
      if (links) reply.header('link', links)
      if (isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send()
      return sendText(reply, body)
    }
  }
}

/** `Link` (RFC 8288). The links are relative: only a proxy in front knows the host name that callers use. */
export function linksOf(url: string, { next, previous }: Page['page']): string {
  // A parameter may have a question mark in it (RFC 3986, section 3.4).
  const [path, search] = url.split(/\?(.*)/s)
  // As it was sent, since a comma and a `%2C` are not the same.
  const kept = (search ?? '')
    .split('&')
    .filter((part) => part && !/^(cursor|offset)(=|$)/.test(part))
    .map(asUri)
  const link = (cursor: string | null, relation: string) => {
    if (cursor === null) return []
    return `<${path}?${[...kept, `cursor=${cursor}`].join('&')}>; rel="${relation}"`
  }
  return [link(next, 'next'), link(previous, 'prev')].flat().join(', ')
}

// Characters that clients send although they are not allowed in a URI, such as brackets.
const asUri = (part: string) => part.replace(/[^\w.~!$'()*+,;:@%=-]/g, encodeURIComponent)

/** Makes the list operation of a resource. Everything that does not depend on the request is computed once. */
function makeList(context: ResourceContext) {
  const { resource } = context
  const { stored } = resource
  const parseConditions = makeParseConditions(resource)

  /** One page of the rows that match, of one owner or of all. */
  return async function list(
    query: ListQuery,
    ownerId: string | undefined,
    principal: Principal | null
  ): Promise<Page> {
    const filter = parseConditions(query, ownerId)
    refuseContradictions(query)
    const orders = parseSort(resource, query.sort)
    const scope = `${resource.name} ${orderKey(orders)}`
    const place = query.cursor === undefined ? undefined : decodeCursor(query.cursor, scope, context.cursorKey)
    const limit = query.limit as number
    const isPlain = resource.isPlain && !query.include
    const selection = { filter, orders, place, limit, offset: query.offset ?? 0, isPlain }
    const found = await selectRows(context, selection)
    const hasMore = found.length > limit
    const total = query.count && (wholeOf(selection, found.length) ?? (await countRows(context, query.count, filter)))
    if (hasMore) found.length = limit
    if (place?.direction === 'previous') found.reverse()
    const rows = found.map((values) => (isPlain ? stored.readWire(values) : openRow(stored.read(values))))
    if (!isPlain) await attachIncludes(context, rows as Row[], { include: query.include, principal })
    const ends = [rows[0], rows.at(-1)] as [Row?, Row?]
    const cursors = neighbours(ends, hasMore, place, (query.offset ?? 0) > 0)
    const write = (direction: Place['direction'], row: Row | undefined) =>
      row ? encodeCursor({ direction, values: sortValues(row, orders) }, scope, context.cursorKey) : null
    return {
      data: rows,
      page: {
        limit,
        next: write('next', cursors.next),
        previous: write('previous', cursors.previous),
        ...(query.count && { total: total as number })
      }
    }
  }
}

function refuseContradictions(query: ListQuery): void {
  if (query.cursor !== undefined && query.offset !== undefined) {
    const message = 'cannot be used together with cursor'
    throw validationFailed([{ in: 'query', path: '/offset', code: 'contradiction', message }])
  }
}

interface Selection {
  filter: ListFilter
  orders: Order[]
  place: Place | undefined
  limit: number
  offset: number
  /** Whether the rows are sent as they are, so that the values that only the server needs are left out. */
  isPlain: boolean
}

/**
 * Selects the rows after a place in an order, as the resource's `stored` reads them. It selects one row more than the
 * limit, which tells whether there are others without counting.
 */
export async function selectRows(
  context: ResourceContext,
  { filter, orders, place, limit, offset, isPlain }: Selection
): Promise<unknown[][]> {
  const { resource, db, statements } = context
  const walked = place?.direction === 'previous' ? reverse(orders) : orders
  const placeKey = place?.values.map((value) => (value === null ? 'null' : 'value')).join() ?? ''
  const step = STEPS.find((one) => limit <= one) as number
  const shape = `list ${isPlain} ${step} ${offset > 0} ${orderKey(walked)} ${placeKey} ${filterKey(filter)}`
  const statement = statements.get(shape, (name) => {
    const select = db
      .select(isPlain ? resource.stored.wire : resource.stored.selection)
      .from(resource.table)
      .where(
        and(
          filterSql(resource, filter, (name) => sql.placeholder(name)),
          place && afterSql(walked, place.values)
        )
      )
      .orderBy(...orderSql(walked))
      .limit(sql`${step + 1}`.inlineParams() as never)
      .$dynamic()
    if (offset > 0) select.offset(sql.placeholder('offset'))
    return asArrays(select.prepare(name))
  })
  const values: Record<string, unknown> = { ...filterValues(filter), offset }
  for (const [index, value] of (place?.values ?? []).entries()) {
    const { parameter } = (walked[index] as Order).field.type
    values[`c${index}`] = parameter && value !== null ? parameter(value) : value
  }
  const rows = (await statement.execute(values)) as unknown[][]
  if (rows.length > limit + 1) rows.length = limit + 1
  return rows
}

// How many rows match, where the page shows the last of them and how many are before it.
function wholeOf({ place, limit, offset }: Selection, found: number): number | undefined {
  const isLast = !place && found <= limit && (found > 0 || offset === 0)
  return isLast ? offset + found : undefined
}

function countRows({ db, resource }: ResourceContext, how: 'exact' | 'estimated', filter: ListFilter): Promise<number> {
  const where = filterSql(resource, filter, (_name, value) => value)
  const seesAll = filter.ownerId === undefined
  return how === 'estimated' && seesAll ? countRoughly(db, resource, where) : countExactly(db, resource, where)
}

/** The values of a row in the fields of an order: its place in the list. */
export const sortValues = (row: Row, orders: Order[]) =>
  orders.map(({ field }) => field.path.reduce<unknown>((value, step) => (value as Row)[step], row))

// A cursor proves that there is a row on its other side, so that direction needs no query.
function neighbours([first, last]: [Row?, Row?], hasMore: boolean, place: Place | undefined, isBehindOffset: boolean) {
  if (place?.direction === 'previous') return { next: last, previous: hasMore ? first : undefined }
  return { next: hasMore ? last : undefined, previous: place || isBehindOffset ? first : undefined }
}
