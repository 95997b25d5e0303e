import { finished, Readable } from 'node:stream'
import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, validationFailed } from '#src/errors.ts'
import type { EventFilter } from '#src/events/filter.ts'
import { streamEvents } from '#src/events/stream.ts'
import { sendText } from '#src/http/answer.ts'
import { isNotModified, pageEtag } from '#src/http/conditional.ts'
import { negotiate } from '#src/http/negotiate.ts'
import { IdParams, IfNoneMatch, NotModified } from '#src/http/schemas.ts'
import type { Principal } from '#src/identity/principal.ts'
import { readCredential } from '#src/identity/requests/credential.ts'
import { linksOf } from '#src/resource/operations/list.ts'
import { decodeCursor, encodeCursor, type Place } from '#src/resource/query/cursor.ts'
import { pageOfRows } from '#src/resource/query/page-of-rows.ts'
import { Event, EventPage, EventQuery, LastEventId, STREAM, StreamQuery } from './schema.ts'

const SCOPE = 'events'

/** What changed, in order: in pages, one by one, and as a stream. */
export default (async (app) => {
  const { events, cursorKey } = app
  const write = (direction: Place['direction'], position: number) =>
    encodeCursor({ direction, values: [position] }, SCOPE, cursorKey)

  app.get(
    '',
    {
      config: { access: 'authenticated', errors: [400] },
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'List events',
        description:
          'What changed, oldest first, of the resources that the caller may read, and of their rows those that it may read. Follow `page.next` until it is null. An event that is committed later stands later: none is ever inserted before a page that was read.',
        querystring: EventQuery,
        headers: IfNoneMatch,
        response: { 200: EventPage, 304: NotModified }
      }
    },
    async function listEvents(request, reply) {
      const { limit, cursor, sort, ...query } = request.query as Static<typeof EventQuery>
      const place = cursor === undefined ? undefined : decodeCursor(cursor, SCOPE, cursorKey)
      const isPrevious = place?.direction === 'previous'
      const isNewestFirst = (sort === '-timestamp') !== isPrevious
      const at = place?.values[0] as number | undefined
      const span = { ...(isNewestFirst ? { before: at } : { after: at }), limit: limit + 1, isNewestFirst }
      const found = await events.read(request.principal as Principal, filterOf(query), span)
      const { data, page } = pageOfRows(found, { limit, place }, (direction, { position }) =>
        write(direction, position)
      )
      const links = linksOf(request.url, page)
      if (links) reply.header('link', links)
      return answer(
        request,
        reply,
        `{"data":[${data.map(({ text }) => text).join(',')}],"page":${JSON.stringify(page)}}`
      )
    }
  )

  app.get(
    '/stream',
    {
      config: {
        access: 'authenticated',
        isStream: true,
        errors: [400, 406, 'INVALID_CURSOR', 'EVENTS_GONE']
      },
      schema: {
        operationId: 'streamEvents',
        tags: ['events'],
        summary: 'Follow events',
        description:
          'Server-Sent Events, each as `GET /events/{id}` answers it, from now on or after a place: `Last-Event-ID`, which browsers send when they come back, or `cursor` names the last event that the reader has, and it gets all after it, each once and in order. The `id` of an event is its cursor, which the list takes, too. There is a comment every 15 s, and one that says why a stream ends: with the rights of its caller, or with the server. Come back with `Last-Event-ID` then.',
        querystring: StreamQuery,
        headers: LastEventId,
        response: { 200: STREAM }
      }
    },
    async function streamEventsOf(request, reply) {
      reply.type(negotiate(request.headers.accept, ['text/event-stream']))
      const { cursor, ...query } = request.query as Static<typeof StreamQuery>
      const filter = filterOf(query)
      const last = (request.headers['last-event-id'] as string | undefined) || cursor
      const given = last === undefined ? undefined : placeAfter(last)
      const { headers, ip, raw } = request
      const open = app.eventStreams.begin(request.principal as Principal, () => reply.raw.destroy())
      // Also when it is refused below, or its reader has left already.
      finished(reply.raw, () => app.eventStreams.release(open))
      const after = given ?? (await events.lastPosition())
      if (given !== undefined) await events.lastPosition(given)
      // A proxy must pass each event on at once; and when it ends, an idle connection would hold up a server that stops.
      reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no', connection: 'close' })
      if (request.method === 'HEAD') return ''

      const credential = readCredential(headers, raw.rawHeaders) as string
      const pieces = streamEvents({
        open,
        log: events,
        tail: app.eventStreams.tail,
        filter,
        after,
        principalNow: () => app.identity.authenticator.verify(credential, ip, request),
        idOf: (position) => write('next', position),
        onFailure: (err) => request.log.warn({ err }, 'a stream of events ended')
      })
      return Readable.from(pieces, { objectMode: false, highWaterMark: 16_384 })
    }
  )

  app.get(
    '/:id',
    {
      config: { access: 'authenticated' },
      schema: {
        operationId: 'readEvent',
        tags: ['events'],
        summary: 'Read an event',
        description: 'What the caller may not read is 404, as if it did not exist.',
        params: IdParams,
        headers: IfNoneMatch,
        response: { 200: Event, 304: NotModified }
      }
    },
    async function readEvent(request, reply) {
      const { id } = request.params as Static<typeof IdParams>
      const [found] = await events.read(request.principal as Principal, { id }, { limit: 1 })
      if (!found) throw new ApiError('NOT_FOUND', 'There is no Event with this id.')
      return answer(request, reply, found.text)
    }
  )

  function placeAfter(cursor: string): number {
    const { direction, values } = decodeCursor(cursor, SCOPE, cursorKey)
    if (direction === 'previous') throw new ApiError('INVALID_CURSOR')
    return values[0] as number
  }

  function filterOf(query: Partial<Omit<Static<typeof EventQuery>, 'limit' | 'cursor' | 'sort'>>): EventFilter {
    const unknown = query.type?.findIndex((type) => !events.isKnownType(type)) ?? -1
    if (unknown >= 0) {
      const message = `is no type of event: there are ${events.types.join(', ')}`
      throw validationFailed([{ in: 'query', path: `/type/${unknown}`, code: 'unknown', message }])
    }
    return { types: query.type, subject: query.subject, since: query['timestamp[gte]'], until: query['timestamp[lt]'] }
  }
}) satisfies FastifyPluginAsync

function answer({ headers }: FastifyRequest, reply: FastifyReply, text: string) {
  const etag = pageEtag(text)
  reply.header('etag', etag)
  return isNotModified(headers['if-none-match'], etag) ? reply.code(304).send() : sendText(reply, text)
}
