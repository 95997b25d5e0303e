import type { FastifyInstance } from 'fastify'
import type { Principal } from '#src/identity/principal.ts'
import type { Grant } from '#src/identity/requests/grant.ts'
import { OutboundError } from '#src/outbound/errors.ts'
import { retryAfterMs } from '#src/outbound/repeat.ts'
import type { webhookDeliveries, webhooks } from './table.ts'

export type Webhook = typeof webhooks.$inferSelect
export type Delivery = typeof webhookDeliveries.$inferSelect

/** The type of a message that is no event. */
export const PING = 'webhook.ping'

const TIMEOUT_MS = 15_000
const ANSWER_BYTES = 1024

/** How an attempt ended. */
export interface Outcome {
  /** `rest`: nothing was sent, since the receiver has just failed several times. `gone`: it wants no more (410). */
  kind: 'delivered' | 'failed' | 'gone' | 'unreadable' | 'rest'
  durationMs: number
  status?: number
  error?: string
  /** The first kilobyte. */
  answer?: string
  retryAfterMs?: number | undefined
}

/** The rights with which a webhook reads: those of its maker now, or none when it has none any more. */
export function principalOf(
  { identity }: FastifyInstance,
  { userId, keyId, scopes }: Pick<Webhook, 'userId' | 'keyId' | 'scopes'>
): Promise<Principal | undefined> {
  const grant: Grant = { userId, ...(keyId && { keyId }), ...(scopes && { scopes: new Set(scopes) }) }
  return identity.principals.resolve(grant, undefined)
}

/** Sends a message once. @throws the reason of the signal. */
export async function attemptDelivery(
  app: FastifyInstance,
  webhook: Webhook,
  delivery: Delivery,
  signal: AbortSignal
): Promise<Outcome> {
  const startedAt = performance.now()
  const ended = (outcome: Omit<Outcome, 'durationMs'>): Outcome => ({
    ...outcome,
    durationMs: Math.round(performance.now() - startedAt)
  })
  const body = await bodyOf(app, webhook, delivery)
  if (body === undefined)
    return ended({ kind: 'unreadable', error: 'The event is too old, or the webhook may not read it any more.' })
  try {
    const answer = await app.outbound.request(webhook.url, {
      method: 'POST',
      headers: headersOf(app, webhook, delivery, body),
      body,
      guard: true,
      // Another webhook of the same host must not suffer from this one.
      group: webhook.id,
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES,
      cut: true,
      signal
    })
    const { status } = answer
    // PostgreSQL stores no NUL in a text.
    const text = answer.text.replaceAll('\0', '\uFFFD')
    const kind = status >= 200 && status < 300 ? 'delivered' : status === 410 ? 'gone' : 'failed'
    return ended({ kind, status, answer: text, retryAfterMs: retryAfterMs(answer) })
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    const isUnsent = error.fault === 'open' || error.fault === 'busy'
    return ended({ kind: isUnsent ? 'rest' : 'failed', error: error.message })
  }
}

// Read for each attempt: rights that were lost count at once.
async function bodyOf(app: FastifyInstance, webhook: Webhook, { messageId, type, createdAt }: Delivery) {
  if (type === PING) return JSON.stringify({ type, timestamp: createdAt, data: { webhookId: webhook.id } })
  const principal = await principalOf(app, webhook)
  const [event] = principal ? await app.events.read(principal, { id: messageId }, { limit: 1 }) : []
  if (!event) return undefined
  const { timestamp, data } = JSON.parse(event.text)
  return JSON.stringify({ type, timestamp, data })
}

function headersOf(
  { webhooks: { secrets } }: FastifyInstance,
  webhook: Webhook,
  { messageId }: Delivery,
  body: string
) {
  const { id, secret, previousSecret, previousUntil } = webhook
  const overlaps = previousSecret !== null && Date.parse(previousUntil as string) > Date.now()
  const timestamp = Math.floor(Date.now() / 1000)
  const sealed = [secret, ...(overlaps ? [previousSecret] : [])]
  return {
    'content-type': 'application/json',
    'webhook-id': messageId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': secrets.sign({ id: messageId, timestamp, body }, sealed, id)
  }
}
