import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { guardUsers } from '#routes/api/v1/users/guard.ts'
import { letGo, resourcesOf } from '#routes/api/v1/users/leave.ts'
import { usersResource } from '#routes/api/v1/users/resource.ts'
import { AccountDeletion, MeUpdate } from '#routes/api/v1/users/schema.ts'
import { causeOf } from '#src/events/cause.ts'
import { send } from '#src/http/answer.ts'
import { changeHandler } from '#src/http/change.ts'
import { preconditionOf } from '#src/http/conditional.ts'
import { IfMatch, NoContent } from '#src/http/schemas.ts'
import { sessionOf } from '#src/identity/access.ts'
import { deleteUser } from '#src/identity/leaving.ts'
import { notYourPassword } from '#src/identity/passwords/proof.ts'
import type { Principal } from '#src/identity/principal.ts'
import { lockProved, provePassword } from '#src/identity/users.ts'
import { answerStored } from '#src/resource/answer.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { updateRow } from '#src/resource/operations/update.ts'
import { makeContext } from '#src/resource/rows/batched.ts'
import { readOne } from '#src/resource/rows/read-one.ts'
import { toColumns } from '#src/resource/write.ts'

export default (async (app) => {
  const { identity } = app
  const context = makeContext(app, compileResource('users', usersResource))
  const common = { tags: ['users'], response: { 200: context.resource.answer } }

  app.get(
    '',
    {
      config: { access: 'account' },
      schema: {
        operationId: 'readMe',
        summary: 'Read your own user',
        description: 'The user of the access token.',
        ...common
      }
    },
    async (request, reply) =>
      send(
        reply,
        await answerStored(
          context,
          await readOne(context, (request.principal as Principal).userId, undefined),
          request.principal
        )
      )
  )

  app.patch(
    '',
    {
      config: { access: 'account', idempotent: true, acceptsPrefer: true },
      schema: {
        operationId: 'updateMe',
        summary: 'Change your own user',
        description: 'A user changes the own name here; roles and states are changed by who may write users.',
        headers: IfMatch,
        body: MeUpdate,
        ...common
      }
    },
    changeHandler(context, async (request) => {
      const { userId: id } = request.principal as Principal
      const precondition = preconditionOf(request.headers)
      const values = await toColumns(context.resource, request.body as Record<string, unknown>)
      return async (on) =>
        answerStored(on, await updateRow(on, { id, ownerId: undefined, precondition }, values), request.principal)
    })
  )

  app.delete(
    '',
    {
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'deleteMe',
        tags: ['users'],
        description: 'Every login and key of yours ends at once. It cannot be undone.',
        summary: 'Delete your account, with your password as proof; what becomes of what you own, its resources say',
        body: AccountDeletion,
        response: { 204: NoContent }
      }
    },
    changeHandler({ db: app.db, changed: () => identity.principals.catchUp() }, async (request) => {
      const principal = request.principal as Principal
      const { userId } = principal
      const sessionId = sessionOf(principal)
      const { currentPassword } = request.body as Static<typeof AccountDeletion>
      const check = () => provePassword(app.db, userId, currentPassword)
      const proof = await identity.guesses.attempt(userId, request.ip, check)
      if (!proof) throw notYourPassword()
      return (on) =>
        on.db.transaction(async (tx) => {
          /* c8 ignore next -- the password was changed since the line above */
          if (!(await lockProved(tx, { userId, sessionId }, proof))) throw notYourPassword()
          const item = { id: userId }
          const check = await guardUsers({ db: tx, principal, items: [item] })
          check(item)
          await letGo(tx, [userId], causeOf(request), resourcesOf(app))
          await deleteUser(tx, userId)
          return { status: 204, headers: {} }
        })
    })
  )
}) satisfies FastifyPluginAsync
