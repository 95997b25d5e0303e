/** A type of event. */
interface EventType {
  /** `order.paid` */
  type: string
  /** The name of the schema of the row that it is about. */
  schema: string
}

const header = (name: string, description: string, example: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example
})

const HEADERS = [
  header(
    'webhook-id',
    'The id of the event, the same for each attempt: what was received before can be left out by it.',
    '0192f0c1-2345-7abc-8def-0123456789ab'
  ),
  header('webhook-timestamp', 'When the attempt was made, in seconds since 1970.', '1769851800'),
  header(
    'webhook-signature',
    'HMAC-SHA256 over `id.timestamp.body` with the secret, base64, behind `v1,`; two with a space between them after a rotation.',
    'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4='
  )
]

/** Describes the messages that webhooks get: OpenAPI 3.1 has a place of its own for them. */
export function listWebhooks(document: object, types: EventType[]): object {
  const webhooks = types.map(({ type, schema }) => [type, { post: describe(type, schema) }])
  return { ...document, webhooks: Object.fromEntries(webhooks) }
}

function describe(type: string, schema: string) {
  const words = type.split(/[.-]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return {
    operationId: `receive${words.join('')}`,
    tags: ['webhooks'],
    summary: `The event ${type}`,
    description:
      'Sent to each webhook that asks for it and may read it, by Standard Webhooks: at least once, and again for three days until it is answered with 2xx.',
    security: [],
    parameters: HEADERS,
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['type', 'timestamp', 'data'],
            properties: {
              type: { type: 'string', const: type },
              timestamp: { type: 'string', format: 'date-time', description: 'When the change was made.' },
              data: { $ref: `#/components/schemas/${schema}` }
            }
          }
        }
      }
    },
    responses: {
      '2XX': { description: 'It was received. The body counts for nothing; its first kilobyte is shown.' },
      '410': { description: 'No more events are wanted: the webhook is disabled.' },
      default: { description: 'It is sent again later, after `Retry-After` where there is one.' }
    }
  }
}
