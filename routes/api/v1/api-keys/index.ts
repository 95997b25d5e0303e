import type { Static } from '@sinclair/typebox'
import { eq } from 'drizzle-orm'
import type { FastifyPluginAsync } from 'fastify'
import { assertMaySeeSecret } from '#routes/api/v1/api-keys/guard.ts'
import { apiKeysResource, normalizeNetworks } from '#routes/api/v1/api-keys/resource.ts'
import { ApiKeyCreate, ApiKeyWithSecret, KeyRotation } from '#routes/api/v1/api-keys/schema.ts'
import { changeHandler } from '#src/http/change.ts'
import { inTransaction } from '#src/http/change-context.ts'
import { IdParams } from '#src/http/schemas.ts'
import { createKey, type KeyValues, type NewKey, rotateKey } from '#src/identity/api-keys/api-keys.ts'
import type { Principal } from '#src/identity/principal.ts'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import { keyTiers } from '#src/limits/tiers.ts'
import { answerOf } from '#src/resource/answer.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import type { ResourceContext } from '#src/resource/context.ts'
import { defineResource } from '#src/resource/define.ts'
import { guarded } from '#src/resource/guard.ts'
import { makeContext } from '#src/resource/rows/batched.ts'
import { ownerOf } from '#src/resource/rows/ownership.ts'
import { readRow } from '#src/resource/rows/read-one.ts'
import { lockOne } from '#src/resource/rows/target.ts'

/** API keys: the usual verbs, and the two that show a key. */
export default (async (app) => {
  const vocabulary = {
    get scopes() {
      return app.knownScopes
    },
    tiers: keyTiers(app.config.RATE_LIMIT_TIERS)
  }
  const declaration = apiKeysResource(vocabulary)
  const resource = compileResource('api-keys', declaration)
  const context = makeContext(app, resource)
  const kind = app.config.NODE_ENV === 'test' ? 'test' : 'live'

  await app.register(defineResource(declaration))

  const config = { access: declaration.access.write, idempotent: true, acceptsPrefer: true }

  app.post(
    '',
    {
      config,
      schema: {
        operationId: 'createApiKey',
        tags: ['api-keys'],
        summary: 'Make a key; the answer shows it, once',
        description:
          'A key can do no more than who makes it. Only a hash of it is stored, so `key` in this answer cannot be shown again.',
        body: ApiKeyCreate,
        response: { 201: ApiKeyWithSecret }
      }
    },
    changeHandler(context, async (request) => {
      const { userId, keyId } = request.principal as Principal
      const body = request.body as Static<typeof ApiKeyCreate>
      const values = { ...body, allowedCidrs: normalizeNetworks(body.allowedCidrs), parentId: keyId ?? null }
      return async (on) => {
        const make = (inner: ResourceContext) => createKey(inner.db, userId, kind, values as KeyValues)
        const made = await guarded(on, request, { body }, make)
        return show(on, made, 201, { location: `${app.prefix}/${made.id}` })
      }
    })
  )

  app.post(
    '/:id/rotate',
    {
      config: { ...config, hasOptionalBody: true },
      schema: {
        operationId: 'rotateApiKey',
        tags: ['api-keys'],
        summary: 'Give a key a new secret; the one before goes on for a while',
        description:
          'The old secret goes on for `overlapSeconds`, so that every user of the key can be given the new one.',
        params: IdParams,
        body: KeyRotation,
        response: { 200: ApiKeyWithSecret }
      }
    },
    changeHandler(context, async (request) => {
      const id = (request.params as { id: string }).id.toLowerCase()
      const { overlapSeconds } = request.body as { overlapSeconds: number }
      const ownerId = ownerOf(request, resource)
      return (on) =>
        on.db.transaction(async (tx) => {
          const inner = inTransaction(on, tx)
          await lockOne(inner, { id, ownerId, precondition: undefined })
          const [key] = await tx.select().from(apiKeys).where(eq(apiKeys.id, id))
          const principal = request.principal as Principal
          await assertMaySeeSecret(vocabulary, tx, principal, key as typeof apiKeys.$inferSelect)
          return show(inner, await rotateKey(tx, { id, kind, overlapSeconds }))
        })
    })
  )
}) satisfies FastifyPluginAsync

async function show(on: ResourceContext, { id, key }: NewKey, status = 200, headers: Record<string, string> = {}) {
  const row = { ...(await readRow(on, id, undefined)), key }
  return answerOf(row, status, { ...headers, 'cache-control': 'no-store' })
}
