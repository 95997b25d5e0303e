import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import {
  FactorCode,
  FactorRemoval,
  FactorSecret,
  FactorState,
  PasswordProof,
  RecoveryCodes
} from '#routes/api/v1/auth/schema.ts'
import { ApiError, validationFailed } from '#src/errors.ts'
import { changeHandler } from '#src/http/change.ts'
import { NoContent } from '#src/http/schemas.ts'
import { sessionOf } from '#src/identity/access.ts'
import { notYourPassword } from '#src/identity/passwords/proof.ts'
import type { Principal } from '#src/identity/principal.ts'
import {
  checkCode,
  checkEnrolment,
  confirm,
  consumeCode,
  enrol,
  readFactor,
  removeFactor
} from '#src/identity/second-factor/factors.ts'
import { secretUri } from '#src/identity/second-factor/totp.ts'
import { lockProved, provePassword } from '#src/identity/users.ts'

const NO_STORE = { 'cache-control': 'no-store' }

/** The second factor of the user's own account: an authenticator app (TOTP, RFC 6238), and recovery codes. */
export const secondFactorRoutes: FastifyPluginAsync = async (app) => {
  const { db, identity } = app
  const { codes, factorSecrets, guesses } = identity
  const context = { db }

  app.get(
    '/second-factor',
    {
      config: { access: 'account' },
      schema: {
        operationId: 'readSecondFactor',
        tags: ['auth'],
        summary: 'See whether you have a second factor',
        description: 'It does not show the secret: that is shown once, when it is set up.',
        response: { 200: FactorState }
      }
    },
    async ({ principal }) => readFactor(db, (principal as Principal).userId)
  )

  app.post(
    '/second-factor',
    {
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'enrolSecondFactor',
        tags: ['auth'],
        summary: 'Begin to set up an authenticator app; it counts once it is confirmed',
        description: 'Answers with the secret for the app, once. Takes the current password.',
        body: PasswordProof,
        response: { 201: FactorSecret }
      }
    },
    changeHandler(context, async (request) => {
      const { userId } = request.principal as Principal
      const sessionId = sessionOf(request.principal)
      const { currentPassword } = request.body as Static<typeof PasswordProof>
      const proof = await guesses.attempt(userId, request.ip, () => provePassword(db, userId, currentPassword))
      if (!proof) throw notYourPassword()
      return (on) =>
        on.db.transaction(async (tx) => {
          /* c8 ignore next -- the password was changed since the line above */
          if (!(await lockProved(tx, { userId, sessionId }, proof))) throw notYourPassword()
          const secret = await enrol(tx, factorSecrets, userId)
          if (secret === undefined) throw new ApiError('CONFLICT', 'There is a second factor: remove it first.')
          return { status: 201, headers: NO_STORE, body: { secret, uri: secretUri(secret, proof.email) } }
        })
    })
  )

  app.post(
    '/second-factor/confirm',
    {
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'confirmSecondFactor',
        tags: ['auth'],
        summary: 'Confirm the app with its first code: from now on each login asks for one',
        description: 'Answers with the recovery codes, once: keep them apart from the device.',
        body: FactorCode,
        response: { 200: RecoveryCodes }
      }
    },
    changeHandler(context, async (request) => {
      const { userId } = request.principal as Principal
      sessionOf(request.principal)
      const { code } = request.body as Static<typeof FactorCode>
      const check = () => checkEnrolment(db, factorSecrets, userId, code)
      const confirmation = await codes.attempt(userId, request.ip, check)
      if (!confirmation) throw wrongCode()
      return async (on) => {
        const recoveryCodes = await confirm(on.db, factorSecrets, userId, confirmation)
        /* c8 ignore next -- it was enrolled anew, or confirmed, since the line above */
        if (!recoveryCodes) throw wrongCode()
        return { status: 200, headers: NO_STORE, body: { recoveryCodes } }
      }
    })
  )

  app.post(
    '/second-factor/remove',
    {
      config: { access: 'account', idempotent: true },
      schema: {
        operationId: 'removeSecondFactor',
        tags: ['auth'],
        summary: 'Remove your second factor, with your password and a code as proof',
        description: 'From now on the password alone logs in.',
        body: FactorRemoval,
        response: { 204: NoContent }
      }
    },
    changeHandler(context, async (request) => {
      const { userId } = request.principal as Principal
      const sessionId = sessionOf(request.principal)
      const { currentPassword, code } = request.body as Static<typeof FactorRemoval>
      const proof = await guesses.attempt(userId, request.ip, () => provePassword(db, userId, currentPassword))
      if (!proof) throw notYourPassword()
      const right = await codes.attempt(userId, request.ip, () => checkCode(db, factorSecrets, userId, code))
      if (!right) throw wrongCode()
      return (on) =>
        on.db.transaction(async (tx) => {
          /* c8 ignore next 2 -- the password was changed, or the code used, since the lines above */
          if (!(await lockProved(tx, { userId, sessionId }, proof))) throw notYourPassword()
          if (!(await consumeCode(tx, userId, right))) throw wrongCode()
          await removeFactor(tx, userId)
          return { status: 204, headers: {} }
        })
    })
  )
}

const wrongCode = () =>
  validationFailed([{ in: 'body', path: '/code', code: 'wrong', message: 'is wrong, was used, or is not asked for' }])
