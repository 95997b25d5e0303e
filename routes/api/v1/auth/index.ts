import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { accountRoutes, emailFaults } from '#routes/api/v1/auth/account.ts'
import mailToken, { mailEnd } from '#routes/api/v1/auth/mail-token.job.ts'
import { mailRoutes } from '#routes/api/v1/auth/mails.ts'
import { Login, LoginCode, Refresh, Registration, TokenAnswer } from '#routes/api/v1/auth/schema.ts'
import { secondFactorRoutes } from '#routes/api/v1/auth/second-factor.ts'
import { sessionRoutes } from '#routes/api/v1/auth/sessions.ts'
import { ApiError } from '#src/errors.ts'
import { type Answer, refusal } from '#src/http/answer.ts'
import { changeHandler } from '#src/http/change.ts'
import { unauthenticated } from '#src/identity/access.ts'
import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { assertPassword } from '#src/identity/passwords/policy.ts'
import { admitNetwork, REGISTRATIONS } from '#src/identity/requests/network-throttle.ts'
import { originOf } from '#src/identity/sessions/origin.ts'
import {
  challengeOf,
  checkSecondStep,
  refreshLogin,
  startLogin,
  startSecondStep,
  startVerifiedLogin,
  type Tokens
} from '#src/identity/sessions/start-login.ts'
import type { RefreshToken } from '#src/identity/tokens/refresh-tokens.ts'
import { assertNotReserved, authenticate, normalizeEmail, registerUser } from '#src/identity/users.ts'

export default (async (app) => {
  const { db, config, identity, jobs, mailer } = app
  const context = { db }
  const endingContext = { db, changed: () => identity.principals.catchUp() }
  await app.register(sessionRoutes)
  await app.register(accountRoutes)
  await app.register(secondFactorRoutes)
  await app.register(mailRoutes)

  app.post(
    '/register',
    {
      config: {
        access: 'public',
        credential: 'ignored',
        idempotent: true,
        errors: ['REGISTRATION_CLOSED'],
        faultOf: (constraint) => emailFaults.get(constraint)
      },
      schema: {
        operationId: 'register',
        tags: ['auth'],
        summary: 'Make an account, where REGISTRATION=open',
        description:
          'Makes a user with the role `member` and logs in. The address gets a mail to confirm it, where mail is set up. Where registration is closed it is 403.',
        body: Registration,
        response: { 201: TokenAnswer }
      }
    },
    changeHandler(context, async (request) => {
      if (config.REGISTRATION === 'closed') throw new ApiError('REGISTRATION_CLOSED')
      const { email, password, name = email.slice(0, email.indexOf('@')) } = request.body as Static<typeof Registration>
      assertNotReserved(email)
      assertPassword(password, '/password', email)
      await admitNetwork(identity.attempts, REGISTRATIONS, request.ip)
      const passwordHash = await hashPassword(password)
      // Both or neither: a user without the answer could not register again.
      return (on) =>
        on.db.transaction(async (tx) => {
          const user = await registerUser(tx, { email, passwordHash, name })
          if (mailer.hasServer) {
            const input = { purpose: 'verify-email', account: { id: user.id }, until: mailEnd() } as const
            await jobs.send(mailToken, input, { tx, requestId: request.id })
          }
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
        description:
          'Answers with an access token, good for 10 minutes, and a refresh token. An unknown address and a wrong password are told alike; guessing is slowed down.',
        body: Login,
        response: { 200: TokenAnswer }
      }
    },
    changeHandler(context, async (request) => {
      const { email, password } = request.body as Static<typeof Login>
      const check = () => authenticate(db, email, password)
      const user = await identity.guesses.attempt(normalizeEmail(email), request.ip, check)
      if (!user) throw wrongLogin()
      if (user.hasSecondFactor) throw secondFactorRequired(challengeOf(identity, user))
      return async (on) =>
        answer(await startVerifiedLogin(identity, on.db, { email, password, user }, originOf(request)))
    })
  )

  app.post(
    '/login/second-factor',
    {
      config: { access: 'public', credential: 'ignored', idempotent: true },
      schema: {
        operationId: 'loginSecondFactor',
        tags: ['auth'],
        summary: 'Finish a login with a code of the second factor, or a recovery code',
        description:
          'For users with a second factor, whose login with the password alone gives no tokens. A recovery code is good for one use.',
        body: LoginCode,
        response: { 200: TokenAnswer }
      }
    },
    changeHandler(context, async (request) => {
      const body = request.body as Static<typeof LoginCode>
      const step = await checkSecondStep(identity, db, { ...body, clientId: null }, request.ip)
      if (!step) throw wrongCode()
      return async (on) => {
        const tokens = await startSecondStep(identity, on.db, step, originOf(request))
        if (!tokens) throw wrongCode()
        return answer(tokens)
      }
    })
  )

  app.post(
    '/refresh',
    {
      config: { access: 'public', credential: 'ignored', idempotent: true },
      // A token that is not from this server is refused without the database.
      async preHandler({ body }) {
        if (!identity.refreshTokens.read((body as Static<typeof Refresh>).refreshToken)) throw loginEnded()
      },
      schema: {
        operationId: 'refreshTokens',
        tags: ['auth'],
        summary: 'Go on with a login: new tokens for a refresh token, which is used up',
        description:
          'A refresh token that is used a second time ends the login, except within 10 seconds, when the same answer is given again.',
        body: Refresh,
        response: { 200: TokenAnswer }
      }
    },
    changeHandler(endingContext, async (request) => {
      const token = identity.refreshTokens.read((request.body as Static<typeof Refresh>).refreshToken) as RefreshToken
      return async (on) => {
        // A login through an OAuth client is refreshed through that client only.
        const tokens = await refreshLogin(identity, on.db, token, (clientId) => clientId === null)
        // Not thrown, so that the transaction commits: a login ended by a used token stays ended.
        return tokens ? answer(tokens) : refusal(loginEnded(), request)
      }
    })
  )
}) satisfies FastifyPluginAsync

function answer(tokens: Tokens | undefined, status = 200): Answer {
  if (!tokens) throw wrongLogin()
  return { status, headers: { 'cache-control': 'no-store' }, body: { ...tokens, tokenType: 'Bearer' } }
}

const wrongCode = () => unauthenticated('The code is wrong or was used, or the challenge has ended.')

function secondFactorRequired(facts: ReturnType<typeof challengeOf>): ApiError {
  const headers = { 'www-authenticate': 'Bearer realm="tenon"', 'cache-control': 'no-store' }
  return new ApiError('SECOND_FACTOR_REQUIRED', undefined, { facts, headers })
}

const wrongLogin = () => unauthenticated('E-mail or password is wrong.')
const loginEnded = () => unauthenticated('The login has ended: log in again.', 'error="invalid_token"')
