import { Type } from '@sinclair/typebox'
import { Id, Nullable, Reference, Timestamp } from '#src/schema/fields.ts'
import { pageOf } from '#src/schema/page.ts'

/** One change of a row. */
export const Event = Type.Object(
  {
    id: Id(),
    type: Type.String({
      description: 'The resource and what happened: `created`, `updated`, `deleted`, or the step that a row took.',
      examples: ['order.paid']
    }),
    subject: Type.String({
      description: 'The resource and the id of the row.',
      examples: ['orders/0192f0c1-2345-7abc-8def-0123456789ab']
    }),
    timestamp: Timestamp(),
    data: Type.Unsafe<object>({
      type: 'object',
      description: 'The row as its resource answers it, after the change; a deleted row as it was last.',
      'x-any-shape': 'It is an answer of the resource, with the fields of its schema and no other.'
    }),
    actor: Type.Object(
      { userId: Type.Optional(Reference()), keyId: Type.Optional(Reference()) },
      {
        additionalProperties: false,
        description: 'The user, and the API key, that made the change. Empty for changes outside of this API.'
      }
    ),
    requestId: Nullable(
      Type.String({ description: 'The `X-Request-Id` of the request that made it.', examples: ['req-9f3k2a1b5c7d-1'] })
    )
  },
  { $id: 'Event', title: 'Event', additionalProperties: false }
)

export const EventPage = pageOf(Event, 'EventPage')

const TYPE = '^(\\*|[a-z][a-z0-9-]*\\.(\\*|[a-z][A-Za-z0-9-]*))$'

const filters = {
  type: Type.Optional(
    Type.Array(Type.String({ pattern: TYPE, maxLength: 100 }), {
      minItems: 1,
      maxItems: 50,
      description: 'Types, comma-separated: `order.paid`, `product.*` for all of a resource.',
      examples: [['order.paid', 'product.*']]
    })
  ),
  subject: Type.Optional(
    Type.String({
      maxLength: 200,
      description: 'The events of one row.',
      examples: ['orders/0192f0c1-2345-7abc-8def-0123456789ab']
    })
  )
}

export const StreamQuery = Type.Object(
  {
    cursor: Type.Optional(
      Type.String({
        maxLength: 200,
        description: 'The `id` of the last event that the reader has, where it cannot send `Last-Event-ID`.'
      })
    ),
    ...filters
  },
  { additionalProperties: false }
)

export const LastEventId = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      maxLength: 200,
      description: 'The `id` of the last event that the reader has.',
      examples: ['nVu2kZ0bq5rTzX0xWzEsNDJd']
    })
  )
})

/** The answer of a stream. */
export const STREAM = {
  description: 'The events, as they are committed.',
  content: {
    'text/event-stream': {
      schema: Type.String({
        description: '`data` of each event is an `Event` as JSON, `event` its type, and `id` its cursor.',
        contentSchema: Event,
        examples: [
          'retry: 1713\nid: nVu2kZ0bq5rTzX0xWzEsNDFd\n\nid: nVu2kZ0bq5rTzX0xWzEsNDJd\nevent: order.paid\ndata: {"id":"0192f0c1-2345-7abc-8def-0123456789ab","type":"order.paid","subject":"orders/0192f0c0-9876-7abc-8def-0123456789ab",…}\n\n:\n\n'
        ]
      })
    }
  }
}

export const EventQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'How many events a page has.' }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 200,
        description: '`page.next` or `page.previous` of a page, or an `id` of the stream.'
      })
    ),
    sort: Type.Unsafe<'timestamp' | '-timestamp'>({
      type: 'string',
      enum: ['timestamp', '-timestamp'],
      default: 'timestamp',
      description: 'Oldest first, or newest first. Events of one subject are in the order of their commits.'
    }),
    ...filters,
    'timestamp[gte]': Type.Optional(Timestamp()),
    'timestamp[lt]': Type.Optional(Timestamp())
  },
  { additionalProperties: false }
)
