import type { Static } from '@sinclair/typebox'
import type { FastifyContextConfig, FastifyPluginAsync } from 'fastify'
import mailToken, { mailEnd } from '#routes/api/v1/auth/mail-token.job.ts'
import {
  Accepted,
  PasswordReset,
  PasswordResetRequest,
  TokenConfirmation,
  VerificationRequest
} from '#routes/api/v1/auth/schema.ts'
import { validationFailed } from '#src/errors.ts'
import { changeHandler } from '#src/http/change.ts'
import { NoContent } from '#src/http/schemas.ts'
import { unauthenticated } from '#src/identity/access.ts'
import { findTokenEmail, useToken } from '#src/identity/account-tokens.ts'
import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { assertNotEmail, assertPassword } from '#src/identity/passwords/policy.ts'
import { admitNetwork, MAIL_REQUESTS } from '#src/identity/requests/network-throttle.ts'
import { confirmEmail, normalizeEmail, setPassword } from '#src/identity/users.ts'
import { passwordReset } from '#src/mail/templates/password-reset.ts'

/** The answer to a request for a mail: the same whether there is an account or not. */
export const ACCEPTED = {
  status: 202,
  headers: {},
  body: { message: 'A mail is on its way, if there is an account that it is for.' }
}
const DONE = { status: 204, headers: {} }

// At once, the work of a job for an account would fall on the end of its own request: measured on the embedded database, a
// request for an account took 1 ms longer than one for none.
const soon = () => 1 + Math.random() * 2

/** What is done by mail: a lost password is set anew, an address is confirmed. */
export const mailRoutes: FastifyPluginAsync = async (app) => {
  const { db, identity, jobs, mailer } = app
  const context = { db }
  const confirmation: FastifyContextConfig = { access: 'public', credential: 'ignored', idempotent: true }
  const request: FastifyContextConfig = { ...confirmation, errors: ['MAIL_OFF'] }

  app.post(
    '/password-reset',
    {
      config: request,
      schema: {
        operationId: 'requestPasswordReset',
        tags: ['auth'],
        summary: 'Ask for a mail with a link to set a new password',
        description:
          'Answered alike whether there is such an account or not. At most five mails an hour go to one address. Where the server sends no mail it is 403 `MAIL_OFF`.',
        body: PasswordResetRequest,
        response: { 202: Accepted }
      }
    },
    changeHandler(context, async ({ body, ip, id: requestId }) => {
      mailer.assertOn()
      await admitNetwork(identity.attempts, MAIL_REQUESTS, ip)
      const email = normalizeEmail((body as Static<typeof PasswordResetRequest>).email)
      return async (on) => {
        const input = { purpose: 'reset-password', account: { email }, until: mailEnd() } as const
        await jobs.send(mailToken, input, { tx: on.db, requestId, startAfter: soon() })
        return ACCEPTED
      }
    })
  )

  app.post(
    '/password-reset/confirm',
    {
      config: confirmation,
      schema: {
        operationId: 'confirmPasswordReset',
        tags: ['auth'],
        summary: 'Set a new password with the token of the mail; every login of the account ends',
        description:
          'A token is good for one use, for an hour, and until the password or the e-mail changes. A second factor stays, and is asked for at the next login.',
        body: PasswordReset,
        response: { 204: NoContent }
      }
    },
    changeHandler({ db, changed: () => identity.principals.catchUp() }, async ({ body, id: requestId }) => {
      const { token, password } = body as Static<typeof PasswordReset>
      assertPassword(password, '/password')
      const email = await findTokenEmail(db, 'reset-password', token)
      if (email === undefined) throw wrongToken()
      assertNotEmail(password, '/password', email)
      const passwordHash = await hashPassword(password)
      return (on) =>
        on.db.transaction(async (tx) => {
          const used = await useToken(tx, 'reset-password', token)
          if (!used) throw wrongToken()
          await setPassword(tx, used.user.id, passwordHash)
          await confirmEmail(tx, used.user.id, used.email)
          await mailer.send({ to: used.email, ...passwordReset() }, { tx, requestId })
          return DONE
        })
    })
  )

  app.post(
    '/verify-email',
    {
      config: { ...request, credential: 'optional', hasOptionalBody: true },
      schema: {
        operationId: 'requestEmailVerification',
        tags: ['auth'],
        summary: 'Ask for a mail with a link that confirms an e-mail address',
        description:
          'For the own address without `email`, with the access token of a login. Answered alike whether there is such an account or not.',
        body: VerificationRequest,
        response: { 202: Accepted }
      }
    },
    changeHandler(context, async ({ body, ip, principal, id: requestId }) => {
      mailer.assertOn()
      const { email } = body as Static<typeof VerificationRequest>
      const account =
        email === undefined ? principal?.isFull && { id: principal.userId } : { email: normalizeEmail(email) }
      if (!account) throw unauthenticated('This needs an e-mail, or the access token of a login.')
      await admitNetwork(identity.attempts, MAIL_REQUESTS, ip)
      return async (on) => {
        const input = { purpose: 'verify-email', account, until: mailEnd() } as const
        await jobs.send(mailToken, input, { tx: on.db, requestId, startAfter: soon() })
        return ACCEPTED
      }
    })
  )

  app.post(
    '/verify-email/confirm',
    {
      config: confirmation,
      schema: {
        operationId: 'confirmEmailVerification',
        tags: ['auth'],
        summary: 'Confirm an e-mail address with the token of the mail',
        description: 'The user then has `emailVerified`. A token is good for one use, for an hour.',
        body: TokenConfirmation,
        response: { 204: NoContent }
      }
    },
    changeHandler(context, async ({ body }) => {
      const { token } = body as Static<typeof TokenConfirmation>
      return (on) =>
        on.db.transaction(async (tx) => {
          const used = await useToken(tx, 'verify-email', token)
          if (!used) throw wrongToken()
          await confirmEmail(tx, used.user.id, used.email)
          return DONE
        })
    })
  )
}

/** The refusal of a token that was sent by mail. */
export const wrongToken = () =>
  validationFailed([
    {
      in: 'body',
      path: '/token',
      code: 'wrong',
      message: 'is wrong, was used, has expired, or the account has changed'
    }
  ])
