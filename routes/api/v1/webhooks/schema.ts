import { Type } from '@sinclair/typebox'
import { Default, Id, Nullable, ReadOnly, Timestamp } from '#src/schema/fields.ts'
import { pageOf } from '#src/schema/page.ts'
import { variants, variantsOf } from '#src/schema/variants.ts'

export const Webhook = Type.Object(
  {
    id: Id(),
    url: Type.String({
      format: 'uri',
      pattern: '^https?://',
      maxLength: 2000,
      description: 'Where events are sent to: a public address, unless `WEBHOOK_ALLOWED_ADDRESSES` has it.',
      examples: ['https://shop.example.com/hooks']
    }),
    events: Type.Array(Type.String({ pattern: '^(\\*|[a-z][a-z0-9-]*\\.(\\*|[a-z][A-Za-z0-9-]*))$', maxLength: 100 }), {
      minItems: 1,
      maxItems: 50,
      uniqueItems: true,
      description: 'Types of events: `order.paid`, `order.*` for all of a resource, `*` for all.',
      examples: [['order.*']]
    }),
    description: Nullable(Type.String({ maxLength: 500, examples: ['The warehouse'] })),
    enabled: Default(Type.Boolean(), true),
    disabledReason: ReadOnly(
      Nullable(
        Type.String({
          description: 'Why the server disabled it; `enabled: true` starts anew.',
          examples: ['The receiver answered 410: it wants no more events.']
        })
      )
    ),
    failingSince: ReadOnly(Nullable(Timestamp())),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Webhook', title: 'Webhook' }
)
export const { WebhookCreate } = variants('Webhook', Webhook)

/** The answers that show the secret. */
export const WebhookWithSecret = Type.Object(
  {
    ...variantsOf(Webhook).Response.properties,
    secret: Type.String({
      description: 'Signs what is sent, by Standard Webhooks. Shown this once.',
      examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw…']
    })
  },
  { $id: 'WebhookWithSecret', title: 'WebhookWithSecret' }
)

const state = { type: 'string', enum: ['pending', 'delivered', 'failed'] }

export const WebhookDelivery = Type.Object(
  {
    id: Id(),
    messageId: Type.String({
      format: 'uuid',
      description: 'The header `webhook-id`, the same for each attempt: the id of the event.',
      examples: ['0192f0c1-2345-7abc-8def-0123456789ab']
    }),
    type: Type.String({ examples: ['order.paid'] }),
    state: Type.Unsafe<string>({ ...state, examples: ['delivered'] }),
    attempts: Type.Integer({ examples: [1] }),
    nextAttemptAt: Nullable(Timestamp()),
    attemptedAt: Nullable(Timestamp()),
    durationMs: Nullable(Type.Integer({ description: 'How long the last attempt took.', examples: [84] })),
    status: Nullable(Type.Integer({ description: 'What the receiver answered last.', examples: [200] })),
    error: Nullable(
      Type.String({ description: 'Why there was no answer.', examples: ['hooks.example.com did not answer in time.'] })
    ),
    answer: Nullable(Type.String({ description: 'The first kilobyte of the last answer.', examples: ['ok'] })),
    createdAt: Timestamp()
  },
  { $id: 'WebhookDelivery', title: 'WebhookDelivery', additionalProperties: false }
)

export const WebhookDeliveryPage = pageOf(WebhookDelivery, 'WebhookDeliveryPage')

export const DeliveryParams = Type.Object({
  id: Type.String({ format: 'uuid', description: 'The id of the resource.' }),
  deliveryId: Type.String({ format: 'uuid', description: 'The id of the delivery.' })
})

export const DeliveryQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'How many deliveries a page has.' }),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`page.next` or `page.previous` of a page.' })),
    state: Type.Optional(Type.Unsafe<'pending' | 'delivered' | 'failed'>({ ...state, description: 'Only those.' }))
  },
  { additionalProperties: false }
)

export const WebhookReplay = Type.Object(
  { since: Timestamp(), until: Timestamp() },
  { $id: 'WebhookReplay', title: 'WebhookReplay', additionalProperties: false }
)
