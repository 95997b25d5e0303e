import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { constraintsOf } from '#src/db/constraints.ts'
import { users } from '#src/db/tables/users.ts'
import { ApiError, type Fault } from '#src/errors.ts'
import { unauthenticated } from '#src/identity/access.ts'
import { refuseCommon } from '#src/identity/common-passwords.ts'
import { goOn, logIn, type Tokens } from '#src/identity/logins.ts'
import { originOf } from '#src/identity/origin.ts'
import { authenticate, normalizeEmail, registerUser } from '#src/identity/users.ts'
import { Login, Refresh, Registration, TokenAnswer } from './schema.ts'
import { sessionRoutes } from './sessions.ts'

const TAKEN: Fault = { in: 'body', path: '/email', code: 'unique', message: 'is already taken' }
const faults = new Map(
  [...constraintsOf(users)].filter(([, { kind }]) => kind === 'unique').map(([name]) => [name, TAKEN] as const)
)

export default (async (app) => {
  const { db, config, identity } = app
  await app.register(sessionRoutes)

  app.post(
    '/register',
    {
      config: {
        access: 'public',
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
    async (request, reply) => {
      if (config.REGISTRATION === 'closed') throw new ApiError('REGISTRATION_CLOSED')
      const { email, password, name = email.slice(0, email.indexOf('@')) } = request.body
      refuseCommon(password, '/password')
      const user = await registerUser(db, { email, password, name })
      reply.code(201)
      return answer(reply, await logIn(identity, db, user.id, originOf(request)))
    }
  )

  app.post(
    '/login',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'login',
        tags: ['auth'],
        summary: 'Log in with e-mail and password',
        body: Login,
        response: { 200: TokenAnswer }
      }
    },
    async (request, reply) => {
      const { email, password } = request.body
      const account = normalizeEmail(email)
      if (config.RATE_LIMIT_ENABLED) await identity.guesses.admit(account, request.ip)
      const user = await authenticate(db, email, password)
      if (!user) {
        identity.guesses.failed(account, request.ip)
        throw unauthenticated('E-mail or password is wrong.')
      }
      identity.guesses.succeeded(account, request.ip)
      return answer(reply, await logIn(identity, db, user.id, originOf(request)))
    }
  )

  app.post(
    '/refresh',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'refreshTokens',
        tags: ['auth'],
        summary: 'Go on with a login: new tokens for a refresh token, which is used up',
        body: Refresh,
        response: { 200: TokenAnswer }
      }
    },
    async (request, reply) => {
      const token = identity.refreshTokens.read(request.body.refreshToken)
      // What came through an OAuth client goes on through it.
      return answer(reply, token && (await goOn(identity, db, token, (clientId) => clientId === null)))
    }
  )
}) satisfies FastifyPluginAsyncTypebox

function answer(reply: FastifyReply, tokens: Tokens | undefined) {
  if (!tokens) throw unauthenticated('The login has ended: log in again.', 'error="invalid_token"')
  reply.header('cache-control', 'no-store')
  return { ...tokens, tokenType: 'Bearer' as const }
}
