import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import mailToken, { mailEnd } from '#routes/api/v1/auth/mail-token.job.ts'
import { ACCEPTED, wrongToken } from '#routes/api/v1/auth/mails.ts'
import { Accepted, EmailChange, PasswordChange, TokenConfirmation } from '#routes/api/v1/auth/schema.ts'
import { constraintsOf } from '#src/db/constraints.ts'
import type { Fault } from '#src/errors.ts'
import { changeHandler } from '#src/http/change.ts'
import { NoContent } from '#src/http/schemas.ts'
import { sessionOf } from '#src/identity/access.ts'
import { stateOf, useToken } from '#src/identity/account-tokens.ts'
import { assertNotEmail, assertPassword } from '#src/identity/passwords/policy.ts'
import { notYourPassword } from '#src/identity/passwords/proof.ts'
import type { Principal } from '#src/identity/principal.ts'
import { users } from '#src/identity/tables/users.ts'
import {
  assertNotReserved,
  changeEmail,
  changePassword,
  lockProved,
  normalizeEmail,
  preparePassword,
  provePassword
} from '#src/identity/users.ts'
import { emailChanged } from '#src/mail/templates/email-changed.ts'

const TAKEN: Fault = { in: 'body', path: '/email', code: 'unique', message: 'is already taken' }
const TOKEN_TAKEN: Fault = { ...TAKEN, path: '/token', message: 'is for an address that is already taken' }

const emailConstraints = [...constraintsOf(users)].filter(([, { kind }]) => kind === 'unique').map(([name]) => name)

/** The fault in a sent e-mail for each unique constraint of users. */
export const emailFaults = new Map(emailConstraints.map((name) => [name, TAKEN] as const))
const tokenFaults = new Map(emailConstraints.map((name) => [name, TOKEN_TAKEN] as const))

/** Changes of the user's own account, with the current password as proof. */
export const accountRoutes: FastifyPluginAsync = async (app) => {
  const { db, identity, jobs, mailer } = app
  const context = { db, changed: () => identity.principals.catchUp() }

  app.post(
    '/password',
    {
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'changePassword',
        tags: ['auth'],
        summary: 'Change your password; every other login of yours ends',
        description: 'Takes the current password. Wrong ones count as attempts to log in.',
        body: PasswordChange,
        response: { 204: NoContent }
      }
    },
    changeHandler(context, async (request) => {
      const { userId } = request.principal as Principal
      const sessionId = sessionOf(request.principal)
      const { currentPassword: current, newPassword: wanted } = request.body as Static<typeof PasswordChange>
      assertPassword(wanted, '/newPassword')
      const check = () => preparePassword(db, { userId, current, wanted })
      const prepared = await identity.guesses.attempt(userId, request.ip, check)
      if (!prepared) throw notYourPassword()
      return async (on) => {
        /* c8 ignore next -- it was changed since the line above */
        if (!(await changePassword(on.db, { userId, sessionId }, prepared))) throw notYourPassword()
        return DONE
      }
    })
  )

  app.post(
    '/email',
    {
      config: { access: 'account', idempotent: true, faultOf: (constraint) => emailFaults.get(constraint) },
      schema: {
        operationId: 'changeEmail',
        tags: ['auth'],
        summary: 'Change your e-mail: you log in with it from now on',
        description:
          'Takes the current password. Wrong ones count as attempts to log in. Where mail is set up (`MAIL_URL`) it is 202, and the change is made when the link in a mail to the new address is followed; the old address is told.',
        body: EmailChange,
        response: { 202: Accepted, 204: NoContent }
      }
    },
    changeHandler({ db }, async (request) => {
      const { userId } = request.principal as Principal
      const sessionId = sessionOf(request.principal)
      const { currentPassword, email } = request.body as Static<typeof EmailChange>
      assertNotReserved(email)
      const check = () => provePassword(db, userId, currentPassword)
      const proof = await identity.guesses.attempt(userId, request.ip, check)
      if (!proof) throw notYourPassword()
      assertNotEmail(currentPassword, '/email', email)
      return (on) =>
        on.db.transaction(async (tx) => {
          /* c8 ignore next -- the password was changed since the line above */
          if (!(await lockProved(tx, { userId, sessionId }, proof))) throw notYourPassword()
          if (!mailer.hasServer) {
            await changeEmail(tx, userId, email)
            return DONE
          }
          const change = { email: normalizeEmail(email), state: stateOf(proof) }
          const input = { purpose: 'change-email', account: { id: userId }, change, until: mailEnd() } as const
          await jobs.send(mailToken, input, { tx, requestId: request.id })
          return ACCEPTED
        })
    })
  )

  app.post(
    '/email/confirm',
    {
      config: {
        access: 'public',
        credential: 'ignored',
        idempotent: true,
        faultOf: (constraint) => tokenFaults.get(constraint)
      },
      schema: {
        operationId: 'confirmEmailChange',
        tags: ['auth'],
        summary: 'Change your e-mail with the token of the mail to the new address',
        description:
          'A token is good for one use, for an hour, and until the password or the e-mail changes. The old address is told of the change.',
        body: TokenConfirmation,
        response: { 204: NoContent }
      }
    },
    changeHandler({ db }, async ({ body, id: requestId }) => {
      const { token } = body as Static<typeof TokenConfirmation>
      return (on) =>
        on.db.transaction(async (tx) => {
          const used = await useToken(tx, 'change-email', token)
          if (!used) throw wrongToken()
          await changeEmail(tx, used.user.id, used.email, true)
          await mailer.send({ to: used.user.email, ...emailChanged() }, { tx, requestId })
          return DONE
        })
    })
  )
}

const DONE = { status: 204, headers: {} }
