import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { Login, Refresh, Registration, TokenAnswer } from '#routes/api/v1/auth/schema.ts'
import { sessionRoutes } from '#routes/api/v1/auth/sessions.ts'
import { constraintsOf } from '#src/db/constraints.ts'
import { ApiError, type Fault } from '#src/errors.ts'
import { type Answer, refusal } from '#src/http/answer.ts'
import { changeHandler } from '#src/http/change.ts'
import { unauthenticated } from '#src/identity/access.ts'
import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { assertPassword } from '#src/identity/passwords/policy.ts'
import { originOf } from '#src/identity/sessions/origin.ts'
import { refreshLogin, startLogin, startVerifiedLogin, type Tokens } from '#src/identity/sessions/start-login.ts'
import { users } from '#src/identity/tables/users.ts'
import type { RefreshToken } from '#src/identity/tokens/refresh-tokens.ts'
import { assertNotReserved, authenticate, normalizeEmail, registerUser } from '#src/identity/users.ts'

const TAKEN: Fault = { in: 'body', path: '/email', code: 'unique', message: 'is already taken' }
const faults = new Map(
  [...constraintsOf(users)].filter(([, { kind }]) => kind === 'unique').map(([name]) => [name, TAKEN] as const)
)

export default (async (app) => {
  const { db, config, identity } = app
  const context = { db }
  const endingContext = { db, changed: () => identity.principals.catchUp() }
  await app.register(sessionRoutes)

  app.post(
    '/register',
    {
      config: {
        access: 'public',
        credential: 'ignored',
        idempotent: true,
        errors: [403],
        faultOf: (constraint) => faults.get(constraint)
      },
      schema: {
        operationId: 'register',
        tags: ['auth'],
        summary: 'Make an account, where REGISTRATION=open',
        body: Registration,
        response: { 201: TokenAnswer }
      }
    },
    changeHandler(context, async (request) => {
      if (config.REGISTRATION === 'closed') throw new ApiError('REGISTRATION_CLOSED')
      const { email, password, name = email.slice(0, email.indexOf('@')) } = request.body as Static<typeof Registration>
      assertNotReserved(email)
      assertPassword(password, '/password', email)
      const passwordHash = await hashPassword(password)
      // Both or neither: a user without the answer could not register again.
      return (on) =>
        on.db.transaction(async (tx) => {
          const user = await registerUser(tx, { email, passwordHash, name })
          return answer(await startLogin(identity, tx, user, originOf(request)), 201)
        })
    })
  )

  app.post(
    '/login',
    {
      config: { access: 'public', credential: 'ignored', idempotent: true },
      schema: {
        operationId: 'login',
        tags: ['auth'],
        summary: 'Log in with e-mail and password',
        body: Login,
        response: { 200: TokenAnswer }
      }
    },
    changeHandler(context, async (request) => {
      const { email, password } = request.body as Static<typeof Login>
      const check = () => authenticate(db, email, password)
      const user = await identity.guesses.attempt(normalizeEmail(email), request.ip, check)
      if (!user) throw wrongLogin()
      return async (on) =>
        answer(await startVerifiedLogin(identity, on.db, { email, password, user }, originOf(request)))
    })
  )

  app.post(
    '/refresh',
    {
      config: { access: 'public', credential: 'ignored', idempotent: true },
      // A token that this server did not make is refused before anything is asked of the database.
      async preHandler({ body }) {
        if (!identity.refreshTokens.read((body as Static<typeof Refresh>).refreshToken)) throw loginEnded()
      },
      schema: {
        operationId: 'refreshTokens',
        tags: ['auth'],
        summary: 'Go on with a login: new tokens for a refresh token, which is used up',
        body: Refresh,
        response: { 200: TokenAnswer }
      }
    },
    changeHandler(endingContext, async (request) => {
      const token = identity.refreshTokens.read((request.body as Static<typeof Refresh>).refreshToken) as RefreshToken
      return async (on) => {
        // What came through an OAuth client goes on through it.
        const tokens = await refreshLogin(identity, on.db, token, (clientId) => clientId === null)
        // Not thrown: a login that a used token has ended stays ended.
        return tokens ? answer(tokens) : refusal(loginEnded(), request)
      }
    })
  )
}) satisfies FastifyPluginAsync

function answer(tokens: Tokens | undefined, status = 200): Answer {
  if (!tokens) throw wrongLogin()
  return { status, headers: { 'cache-control': 'no-store' }, body: { ...tokens, tokenType: 'Bearer' } }
}

const wrongLogin = () => unauthenticated('E-mail or password is wrong.')
const loginEnded = () => unauthenticated('The login has ended: log in again.', 'error="invalid_token"')
