import type { Static } from '@sinclair/typebox'
import { and, asc, desc, eq, gt, lt } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { v7 } from 'uuid'
import { ApiError, validationFailed } from '#src/errors.ts'
import type { Answer } from '#src/http/answer.ts'
import { changeHandler } from '#src/http/change.ts'
import { JOBS_PATH, Job } from '#src/http/job.ts'
import { IdParams } from '#src/http/schemas.ts'
import { jobsView } from '#src/jobs/view.ts'
import { linksOf } from '#src/resource/operations/list.ts'
import { decodeCursor, encodeCursor } from '#src/resource/query/cursor.ts'
import { pageOfRows } from '#src/resource/query/page-of-rows.ts'
import { variantsOf } from '#src/schema/variants.ts'
import { type Delivery, PING } from '#src/webhooks/attempt.ts'
import { addDeliveries } from '#src/webhooks/dispatch.ts'
import replay from '#src/webhooks/replay.job.ts'
import { webhookDeliveries } from '#src/webhooks/table.ts'
import { findDelivery, findWebhook } from './find.ts'
import { DeliveryParams, DeliveryQuery, WebhookDelivery, WebhookDeliveryPage, WebhookReplay } from './schema.ts'

const read = { access: 'webhooks:read' } as const
const write = { access: 'webhooks:write', idempotent: true, acceptsPrefer: true } as const
const tags = ['webhooks']

/** What was sent to a webhook and how it ended, and sending it again. */
export function addDeliveryRoutes(app: FastifyInstance): void {
  const { cursorKey, db, jobs } = app
  const accepted = (delivery: Delivery): Answer => ({
    status: 202,
    headers: { location: `${app.prefix}/${delivery.webhookId}/deliveries/${delivery.id}` },
    body: delivery
  })

  app.get(
    '/:id/deliveries',
    {
      config: { ...read, errors: [400] },
      schema: {
        operationId: 'listWebhookDeliveries',
        tags,
        summary: 'List the deliveries of a webhook',
        description: 'Newest first, for 30 days. Follow `page.next` until it is null.',
        params: IdParams,
        querystring: DeliveryQuery,
        response: { 200: WebhookDeliveryPage }
      }
    },
    async function listWebhookDeliveries(request, reply) {
      const webhook = await findWebhook(db, request)
      const { limit, cursor, state } = request.query as Static<typeof DeliveryQuery>
      const scope = `deliveries ${webhook.id} ${state}`
      const place = cursor === undefined ? undefined : decodeCursor(cursor, scope, cursorKey)
      const { id, webhookId } = webhookDeliveries
      const isPrevious = place?.direction === 'previous'
      const found = await db
        .select()
        .from(webhookDeliveries)
        .where(
          and(
            eq(webhookId, webhook.id),
            state && eq(webhookDeliveries.state, state),
            place && (isPrevious ? gt : lt)(id, place.values[0] as string)
          )
        )
        .orderBy(isPrevious ? asc(id) : desc(id))
        .limit(limit + 1)
      const page = pageOfRows(found, { limit, place }, (direction, one) =>
        encodeCursor({ direction, values: [one.id] }, scope, cursorKey)
      )
      const links = linksOf(request.url, page.page)
      if (links) reply.header('link', links)
      return page
    }
  )

  app.get(
    '/:id/deliveries/:deliveryId',
    {
      config: read,
      schema: {
        operationId: 'readWebhookDelivery',
        tags,
        summary: 'Read a delivery of a webhook',
        description: 'Its attempts so far, and how the last one ended.',
        params: DeliveryParams,
        response: { 200: WebhookDelivery }
      }
    },
    (request) => findDelivery(db, request)
  )

  app.post(
    '/:id/ping',
    {
      config: { ...write, errors: ['INVALID_TRANSITION'] },
      schema: {
        operationId: 'pingWebhook',
        tags,
        summary: 'Send a test message to a webhook',
        description: `A message of the type \`${PING}\`, delivered like an event.`,
        params: IdParams,
        response: { 202: WebhookDelivery }
      }
    },
    changeHandler({ db }, async (request) => (on) => {
      return on.db.transaction(async (tx) => {
        const webhook = await findWebhook(tx, request)
        if (!webhook.enabled) throw new ApiError('INVALID_TRANSITION', 'A webhook that is disabled is sent nothing.')
        const id = v7()
        await addDeliveries(app, tx, [{ id, webhookId: webhook.id, messageId: id, type: PING }])
        const [made] = await tx.select().from(webhookDeliveries).where(eq(webhookDeliveries.id, id))
        return accepted(made as Delivery)
      })
    })
  )

  app.post(
    '/:id/deliveries/:deliveryId/replay',
    {
      config: write,
      schema: {
        operationId: 'replayWebhookDelivery',
        tags,
        summary: 'Send a delivery again',
        description: 'At once, with the same `webhook-id`, and with as many attempts as at first.',
        params: DeliveryParams,
        response: { 202: WebhookDelivery }
      }
    },
    changeHandler({ db }, async (request) => (on) => {
      return on.db.transaction(async (tx) => {
        const { id, webhookId, messageId, type } = await findDelivery(tx, request)
        await addDeliveries(app, tx, [{ id, webhookId, messageId, type }], true)
        return accepted(await findDelivery(tx, request))
      })
    })
  )

  app.post(
    '/:id/replay',
    {
      config: { ...write, errors: ['CONFLICT'] },
      schema: {
        operationId: 'replayWebhook',
        tags,
        summary: 'Send the events of a span of time to a webhook',
        description:
          'Once more, or for the first time: also those from before it was made, and from while it was disabled. A job does it.',
        params: IdParams,
        body: WebhookReplay,
        response: { 202: variantsOf(Job).Response }
      }
    },
    changeHandler({ db }, async (request) => (on) => {
      const { since, until } = request.body as Static<typeof WebhookReplay>
      if (Date.parse(since) >= Date.parse(until)) {
        const message = 'must be after since'
        throw validationFailed([{ in: 'body', path: '/until', code: 'order', message }])
      }
      return on.db.transaction(async (tx) => {
        const { id: webhookId, userId: ownerId } = await findWebhook(tx, request)
        const own = v7()
        const sending = { tx, id: own, key: webhookId, ownerId, requestId: request.id, title: 'replayWebhook' }
        const id = await jobs.send(replay, { webhookId, since, until }, sending)
        if (id !== own) throw new ApiError('CONFLICT', `A replay of this webhook is under way: the job ${id}.`)
        const [job] = await tx.select().from(jobsView).where(eq(jobsView.id, id))
        return { status: 202, headers: { location: `${JOBS_PATH}/${id}` }, body: job }
      })
    })
  )
}
