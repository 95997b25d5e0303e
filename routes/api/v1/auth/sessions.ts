import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { Logout, SessionList } from '#routes/api/v1/auth/schema.ts'
import { ApiError } from '#src/errors.ts'
import { changeHandler } from '#src/http/change.ts'
import { IdParams, NoContent } from '#src/http/schemas.ts'
import { sessionOf, unauthenticated } from '#src/identity/access.ts'
import type { Principal } from '#src/identity/principal.ts'
import { endSession, endSessionOf, listSessions } from '#src/identity/sessions/sessions.ts'

/** The logins of a user: listing and ending them. */
export const sessionRoutes: FastifyPluginAsync = async (app) => {
  const { db, identity } = app
  const context = { db, changed: () => identity.principals.catchUp() }

  app.post(
    '/logout',
    {
      config: { access: 'public', credential: 'optional', idempotent: true, hasOptionalBody: true },
      async preHandler({ body, principal }) {
        const { refreshToken = '' } = body as Static<typeof Logout>
        if (principal?.sessionId || identity.refreshTokens.read(refreshToken)) return
        throw unauthenticated('There is no login to end.')
      },
      schema: {
        operationId: 'logout',
        tags: ['auth'],
        summary: 'End a login: that of the access token, or of the refresh token in the body',
        description: 'Its access and refresh tokens are refused by every instance within a second.',
        body: Logout,
        response: { 204: NoContent }
      }
    },
    changeHandler(context, async (request) => {
      const text = (request.body as Static<typeof Logout>).refreshToken
      const token = text === undefined ? undefined : identity.refreshTokens.read(text)
      const { userId, sessionId } = request.principal ?? {}
      return async (on) => {
        if (token) await endSessionOf(on.db, token)
        if (userId && sessionId) await endSession(on.db, userId, sessionId)
        return DONE
      }
    })
  )

  app.get(
    '/sessions',
    {
      config: { access: 'account' },
      schema: {
        operationId: 'listSessions',
        tags: ['auth'],
        summary: 'List your logins',
        description: 'Where each came from, when it began and when it was last used.',
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
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'deleteSession',
        tags: ['auth'],
        summary: 'End one of your logins',
        description: 'Its tokens are refused by every instance within a second.',
        params: IdParams,
        response: { 204: NoContent }
      }
    },
    changeHandler(context, async ({ principal, params }) => {
      sessionOf(principal)
      const { id } = params as { id: string }
      return async (on) => {
        const isEnded = await endSession(on.db, (principal as Principal).userId, id)
        if (!isEnded) throw new ApiError('NOT_FOUND', 'There is no session with this id.')
        return DONE
      }
    })
  )
}

const DONE = { status: 204, headers: {} }
