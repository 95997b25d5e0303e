import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ApiError, validationFailed } from '#src/errors.ts'
import { sessionOf, unauthenticated } from '#src/identity/access.ts'
import { refuseCommon } from '#src/identity/common-passwords.ts'
import type { Principal } from '#src/identity/principal.ts'
import { endSession, endSessionOf, listSessions } from '#src/identity/sessions.ts'
import { changePassword } from '#src/identity/users.ts'
import { bodyIsOptional, IdParams, NoContent } from '#src/resource/route.ts'
import { Logout, PasswordChange, SessionList } from './schema.ts'

/** The logins of a user: listing and ending them, and what ends them all. */
export const sessionRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const { db, config, identity } = app
  app.addHook('onSend', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') await app.identity.authority.catchUp()
  })

  app.post(
    '/logout',
    {
      config: { access: 'public' },
      preValidation: bodyIsOptional,
      schema: {
        operationId: 'logout',
        tags: ['auth'],
        summary: 'End a login: that of the access token, or of the refresh token in the body',
        body: Logout,
        response: { 204: NoContent }
      }
    },
    async (request, reply) => {
      const text = request.body.refreshToken
      const token = text === undefined ? undefined : identity.refreshTokens.read(text)
      const { userId, sessionId } = request.principal ?? {}
      if (!token && !(userId && sessionId)) throw unauthenticated('There is no login to end.')
      if (token) await endSessionOf(db, token)
      if (userId && sessionId) await endSession(db, userId, sessionId)
      return reply.code(204).send(null)
    }
  )

  app.post(
    '/password',
    {
      config: { access: 'authenticated', errors: [403] },
      schema: {
        operationId: 'changePassword',
        tags: ['auth'],
        summary: 'Change your password; every other login of yours ends',
        body: PasswordChange,
        response: { 204: NoContent }
      }
    },
    async (request, reply) => {
      const { userId } = request.principal as Principal
      const sessionId = sessionOf(request.principal)
      const { currentPassword, newPassword } = request.body
      refuseCommon(newPassword, '/newPassword')
      if (config.RATE_LIMIT_ENABLED) await identity.guesses.admit(userId, request.ip)
      const change = { userId, sessionId, current: currentPassword, wanted: newPassword }
      if (!(await changePassword(db, change))) {
        identity.guesses.failed(userId, request.ip)
        throw validationFailed([
          { in: 'body', path: '/currentPassword', code: 'wrong', message: 'is not your password' }
        ])
      }
      return reply.code(204).send(null)
    }
  )

  app.get(
    '/sessions',
    {
      config: { access: 'authenticated', errors: [403] },
      schema: {
        operationId: 'listSessions',
        tags: ['auth'],
        summary: 'List your logins',
        response: { 200: SessionList }
      }
    },
    async ({ principal }) => {
      const current = sessionOf(principal)
      const sessions = await listSessions(db, (principal as Principal).userId)
      return { data: sessions.map((session) => ({ ...session, current: session.id === current })) }
    }
  )

  app.delete(
    '/sessions/:id',
    {
      config: { access: 'authenticated', errors: [403] },
      schema: {
        operationId: 'deleteSession',
        tags: ['auth'],
        summary: 'End one of your logins',
        params: IdParams,
        response: { 204: NoContent }
      }
    },
    async ({ principal, params }, reply) => {
      sessionOf(principal)
      const isEnded = await endSession(db, (principal as Principal).userId, params.id)
      if (!isEnded) throw new ApiError('NOT_FOUND', 'There is no session with this id.')
      return reply.code(204).send(null)
    }
  )
}
