import type { FastifyPluginAsync } from 'fastify'
import { UserSessionList } from '#routes/api/v1/auth/schema.ts'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { changeHandler } from '#src/http/change.ts'
import { IdParams, NoContent } from '#src/http/schemas.ts'
import type { Principal } from '#src/identity/principal.ts'
import { removeFactor } from '#src/identity/second-factor/factors.ts'
import { endAllSessions, endSession, listSessions } from '#src/identity/sessions/sessions.ts'
import { assertUser } from '#src/identity/users.ts'
import { guardUsers } from './guard.ts'
import { SessionParams } from './schema.ts'

/** An administrator's actions on the account of another user: see and end its logins, remove a lost second factor. */
export const userAccountRoutes: FastifyPluginAsync = async (app) => {
  const { db, identity } = app
  const context = { db, changed: () => identity.principals.catchUp() }
  const change = { access: 'users:write', idempotent: true } as const
  const common = { tags: ['users'], response: { 204: NoContent } }

  app.get(
    '/:id/sessions',
    {
      config: { access: 'users:read' },
      schema: {
        operationId: 'listUserSessions',
        tags: ['users'],
        summary: 'List the logins of a user',
        description: 'For administrators: where each came from, when it began and when it was last used.',
        params: IdParams,
        response: { 200: UserSessionList }
      }
    },
    async ({ params }) => {
      const { id } = params as { id: string }
      await assertUser(db, id)
      return { data: await listSessions(db, id) }
    }
  )

  app.delete(
    '/:id/sessions',
    {
      config: change,
      schema: {
        operationId: 'deleteUserSessions',
        summary: 'End every login of a user',
        description: 'For administrators. All tokens of the user are refused by every instance within a second.',
        params: IdParams,
        ...common
      }
    },
    changeHandler(context, async ({ principal, params }) => {
      const { id } = params as { id: string }
      return (on) =>
        forAccount(on.db, principal, id, async (tx) => {
          await assertUser(tx, id)
          await endAllSessions(tx, id)
          return true
        })
    })
  )

  app.delete(
    '/:id/sessions/:sessionId',
    {
      config: change,
      schema: {
        operationId: 'deleteUserSession',
        summary: 'End one login of a user',
        description: 'For administrators. Its tokens are refused by every instance within a second.',
        params: SessionParams,
        ...common
      }
    },
    changeHandler(context, async ({ principal, params }) => {
      const { id, sessionId } = params as { id: string; sessionId: string }
      return (on) => forAccount(on.db, principal, id, (tx) => endSession(tx, id, sessionId))
    })
  )

  app.delete(
    '/:id/second-factor',
    {
      config: change,
      schema: {
        operationId: 'deleteUserSecondFactor',
        summary: 'Remove the second factor of a user who lost it; the password alone logs in again',
        description: 'For administrators, after the user has proved another way who asks.',
        params: IdParams,
        ...common
      }
    },
    changeHandler(context, async ({ principal, params }) => {
      const { id } = params as { id: string }
      return (on) => forAccount(on.db, principal, id, (tx) => removeFactor(tx, id))
    })
  )
}

// As for every other change of a user: not for a user with more rights than the caller.
function forAccount(
  db: Database,
  principal: Principal | null,
  id: string,
  act: (tx: Database) => Promise<boolean>
): Promise<{ status: number; headers: Record<string, string> }> {
  return db.transaction(async (tx) => {
    const item = { id: id.toLowerCase(), body: {} }
    const check = await guardUsers({ db: tx, principal: principal as Principal, items: [item] })
    check(item)
    if (!(await act(tx))) throw new ApiError('NOT_FOUND')
    return { status: 204, headers: {} }
  })
}
