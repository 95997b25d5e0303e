import { sql } from 'drizzle-orm'
import type { FastifyPluginAsync } from 'fastify'
import { changeHandler } from '#src/http/change.ts'
import { inTransaction } from '#src/http/change-context.ts'
import { IdParams } from '#src/http/schemas.ts'
import { assertCanGrant } from '#src/identity/access.ts'
import type { Principal } from '#src/identity/principal.ts'
import { answerOf } from '#src/resource/answer.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import type { ResourceContext } from '#src/resource/context.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { defineResource } from '#src/resource/define.ts'
import { guarded } from '#src/resource/guard.ts'
import { makeContext } from '#src/resource/rows/batched.ts'
import { ownerOf } from '#src/resource/rows/ownership.ts'
import { readRow } from '#src/resource/rows/read-one.ts'
import { lockOne } from '#src/resource/rows/target.ts'
import { wakeWebhooks } from '#src/webhooks/dispatch.ts'
import { webhooks } from '#src/webhooks/table.ts'
import { createWebhook, type NewSecret, rotateSecret, type WebhookValues } from '#src/webhooks/webhooks.ts'
import { addDeliveryRoutes } from './deliveries.ts'
import { makeWebhookGuard, rightsOf } from './guard.ts'
import { Webhook, WebhookCreate, WebhookWithSecret } from './schema.ts'

/** Webhooks: the usual verbs, the two that show a secret, and what is delivered. */
export default (async (app) => {
  const declaration = {
    schema: Webhook,
    table: webhooks,
    owner: 'userId',
    access: { read: 'webhooks:read', write: 'webhooks:write', delete: 'webhooks:delete' },
    list: { filter: ['createdAt'], sort: ['createdAt'] },
    computed: { disabledReason: sql`case when not ${webhooks.enabled} then ${webhooks.disabledReason} end` },
    operations: { create: false },
    guard: makeWebhookGuard(app),
    // One that was enabled goes on with what waited for it.
    changed: wakeWebhooks
  } satisfies Declaration<typeof Webhook, typeof webhooks>
  const resource = compileResource('webhooks', declaration)
  const context = makeContext(app, resource)
  const { secrets } = app.webhooks
  const config = { access: declaration.access.write, idempotent: true, acceptsPrefer: true }

  await app.register(defineResource(declaration))

  app.post(
    '',
    {
      config: { ...config, errors: ['CONFLICT'] },
      schema: {
        operationId: 'createWebhook',
        tags: ['webhooks'],
        summary: 'Make a webhook; the answer shows its secret, once',
        description:
          'Events of the given types that the caller may read are sent to the URL, as Standard Webhooks. A webhook that a key makes reads what the key may, as long as the key is valid.',
        body: WebhookCreate,
        response: { 201: WebhookWithSecret }
      }
    },
    changeHandler(context, async (request) => {
      // What was committed before is not sent.
      await app.events.place()
      const body = request.body as WebhookValues
      const make = (inner: ResourceContext) => createWebhook(inner.db, secrets, request.principal as Principal, body)
      return async (on) => {
        const made = await guarded(on, request, { body }, make)
        return show(on, made, 201, { location: `${app.prefix}/${made.id}` })
      }
    })
  )

  app.post(
    '/:id/rotate',
    {
      config,
      schema: {
        operationId: 'rotateWebhookSecret',
        tags: ['webhooks'],
        summary: 'Give a webhook a new secret; the one before signs as well for 24 hours',
        description: 'Until then each message has two signatures, so that its receiver can change over.',
        params: IdParams,
        response: { 200: WebhookWithSecret }
      }
    },
    changeHandler(context, async (request) => {
      const id = (request.params as { id: string }).id.toLowerCase()
      const principal = request.principal as Principal
      return (on) =>
        on.db.transaction(async (tx) => {
          const inner = inTransaction(on, tx)
          await lockOne(inner, { id, ownerId: ownerOf(request, resource), precondition: undefined })
          assertCanGrant(principal, (await rightsOf(tx, principal, [id])).get(id) as string[])
          return show(inner, await rotateSecret(tx, secrets, id))
        })
    })
  )

  addDeliveryRoutes(app)
}) satisfies FastifyPluginAsync

async function show(
  on: ResourceContext,
  { id, secret }: NewSecret,
  status = 200,
  headers: Record<string, string> = {}
) {
  const row = { ...(await readRow(on, id, undefined)), secret }
  return answerOf(row, status, { ...headers, 'cache-control': 'no-store' })
}
