import { and, eq } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import type { Delivery, Webhook } from '#src/webhooks/attempt.ts'
import { webhookDeliveries, webhooks } from '#src/webhooks/table.ts'

/** The webhook that a path names. @throws ApiError NOT_FOUND, also for one of another user. */
export async function findWebhook(db: Database, request: FastifyRequest): Promise<Webhook> {
  const { id } = request.params as { id: string }
  const principal = request.principal as Principal
  const isVisible = canSeeAllRows(principal, 'webhooks') ? undefined : eq(webhooks.userId, principal.userId)
  const [found] = await db
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.id, id), isVisible))
  if (!found) throw new ApiError('NOT_FOUND', 'There is no Webhook with this id.')
  return found
}

/** The delivery that a path names. @throws ApiError NOT_FOUND, also for one of another webhook or user. */
export async function findDelivery(db: Database, request: FastifyRequest): Promise<Delivery> {
  const webhook = await findWebhook(db, request)
  const { deliveryId } = request.params as { deliveryId: string }
  const { id, webhookId } = webhookDeliveries
  const [found] = await db
    .select()
    .from(webhookDeliveries)
    .where(and(eq(id, deliveryId), eq(webhookId, webhook.id)))
  if (!found) throw new ApiError('NOT_FOUND', 'There is no WebhookDelivery with this id.')
  return found
}
