import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { insufficientScope, refuseMoreThan } from '#src/identity/access.ts'
import { createKey, type NewKey, rotateKey } from '#src/identity/api-keys.ts'
import { type Principal, seesAll } from '#src/identity/principal.ts'
import { answerOf, send } from '#src/resource/answer.ts'
import { makeContext } from '#src/resource/context.ts'
import { defineResource } from '#src/resource/define.ts'
import { notFound, readRow } from '#src/resource/operations/read.ts'
import { compileResource } from '#src/resource/resource.ts'
import { bodyIsOptional, IdParams, ownerOf } from '#src/resource/route.ts'
import { apiKeysResource } from './resource.ts'
import { ApiKeyCreate, ApiKeyWithSecret, KeyRotation } from './schema.ts'

interface Sent {
  scopes?: string[]
  tier?: string | null
}

/** API keys: the usual verbs, and the two that show a key. */
export default (async (app) => {
  const { db, config, prefix } = app
  const resource = compileResource('api-keys', apiKeysResource)
  const context = makeContext(app, resource)
  const access = apiKeysResource.access.write
  const kind = config.NODE_ENV === 'test' ? 'test' : 'live'

  // Nobody gives a key what they do not have, nor a faster lane than everybody's.
  app.addHook('preHandler', async ({ body, principal }) => {
    const { items = [], ...one } = (body ?? {}) as Sent & { items?: Sent[] }
    for (const { scopes = [], tier } of [one, ...items]) {
      refuseMoreThan(principal as Principal, scopes)
      const isFaster = tier !== undefined && tier !== null && tier !== 'standard'
      if (isFaster && !seesAll(principal as Principal, 'api-keys')) throw insufficientScope('api-keys:*')
    }
  })
  app.addHook('onSend', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') await app.identity.authority.catchUp()
  })
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
      const made = await createKey(db, (request.principal as Principal).userId, kind, request.body as never)
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
      const made = await rotateKey(db, { id, ownerId: ownerOf(request, resource), kind, overlapSeconds })
      if (!made) throw notFound(context)
      return show(reply, made)
    }
  )

  async function show(reply: FastifyReply, { id, key }: NewKey, status = 200, headers: Record<string, string> = {}) {
    const row = { ...(await readRow(context, id, undefined)), key }
    return send(reply, answerOf(row, status, { ...headers, 'cache-control': 'no-store' })) as never
  }
}) satisfies FastifyPluginAsyncTypebox
