import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { createKey, type NewKey, rotateKey } from '#src/identity/api-keys.ts'
import type { Principal } from '#src/identity/principal.ts'
import { answerOf, send } from '#src/resource/answer.ts'
import { finish } from '#src/resource/change.ts'
import { makeContext, type ResourceContext } from '#src/resource/context.ts'
import { defineResource } from '#src/resource/define.ts'
import { guarded } from '#src/resource/guard.ts'
import { notFound, readRow } from '#src/resource/operations/read.ts'
import { compileResource } from '#src/resource/resource.ts'
import { bodyIsOptional, IdParams, ownerOf } from '#src/resource/route.ts'
import { apiKeysResource } from './resource.ts'
import { ApiKeyCreate, ApiKeyWithSecret, KeyRotation } from './schema.ts'

/** API keys: the usual verbs, and the two that show a key. */
export default (async (app) => {
  const { db, config, prefix } = app
  const resource = compileResource('api-keys', apiKeysResource)
  const context = makeContext(app, resource)
  const access = apiKeysResource.access.write
  const kind = config.NODE_ENV === 'test' ? 'test' : 'live'

  await app.register(defineResource(apiKeysResource))

  app.post(
    '',
    {
      config: { access },
      schema: {
        operationId: 'createApiKey',
        tags: ['api-keys'],
        summary: 'Make a key; the answer shows it, once',
        body: ApiKeyCreate,
        response: { 201: ApiKeyWithSecret }
      }
    },
    async (request, reply) => {
      const { userId } = request.principal as Principal
      const make = ({ db }: ResourceContext) => createKey(db, userId, kind, request.body as never)
      const made = await guarded(context, request, { body: request.body }, make)
      return show(reply, made, 201, { location: `${prefix}/${made.id}` })
    }
  )

  app.post(
    '/:id/rotate',
    {
      config: { access },
      preValidation: bodyIsOptional,
      schema: {
        operationId: 'rotateApiKey',
        tags: ['api-keys'],
        summary: 'Give a key a new secret; the one before goes on for a while',
        params: IdParams,
        body: KeyRotation,
        response: { 200: ApiKeyWithSecret }
      }
    },
    async (request, reply) => {
      const { overlapSeconds } = request.body as { overlapSeconds: number }
      const { id } = request.params
      const ownerId = ownerOf(request, resource)
      const made = await finish(context, () => rotateKey(db, { id, ownerId, kind, overlapSeconds }))
      if (!made) throw notFound(context)
      return show(reply, made)
    }
  )

  async function show(reply: FastifyReply, { id, key }: NewKey, status = 200, headers: Record<string, string> = {}) {
    const row = { ...(await readRow(context, id, undefined)), key }
    return send(reply, answerOf(row, status, { ...headers, 'cache-control': 'no-store' })) as never
  }
}) satisfies FastifyPluginAsyncTypebox
