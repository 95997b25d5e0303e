import type { FastifyPluginAsync } from 'fastify'
import { usersResource } from '#routes/api/v1/users/resource.ts'
import { MeUpdate } from '#routes/api/v1/users/schema.ts'
import { send } from '#src/http/answer.ts'
import { changeHandler } from '#src/http/change.ts'
import { preconditionOf } from '#src/http/conditional.ts'
import { IfMatch } from '#src/http/schemas.ts'
import type { Principal } from '#src/identity/principal.ts'
import { answerStored } from '#src/resource/answer.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { updateRow } from '#src/resource/operations/update.ts'
import { makeContext } from '#src/resource/rows/batched.ts'
import { readOne } from '#src/resource/rows/read-one.ts'
import { toColumns } from '#src/resource/write.ts'

export default (async (app) => {
  const context = makeContext(app, compileResource('users', usersResource))
  const common = { tags: ['users'], response: { 200: context.resource.answer } }

  app.get(
    '',
    {
      config: { access: 'authenticated' },
      schema: { operationId: 'readMe', summary: 'Read your own user', ...common }
    },
    async (request, reply) =>
      send(
        reply,
        await answerStored(context, await readOne(context, (request.principal as Principal).userId, undefined))
      )
  )

  app.patch(
    '',
    {
      config: { access: 'authenticated', idempotent: true, acceptsPrefer: true },
      schema: {
        operationId: 'updateMe',
        summary: 'Change your own user',
        headers: IfMatch,
        body: MeUpdate,
        ...common
      }
    },
    changeHandler(context, async (request) => {
      const { userId: id } = request.principal as Principal
      const precondition = preconditionOf(request.headers)
      const values = await toColumns(context.resource, request.body as Record<string, unknown>)
      return async (on) => answerStored(on, await updateRow(on, { id, ownerId: undefined, precondition }, values))
    })
  )
}) satisfies FastifyPluginAsync
