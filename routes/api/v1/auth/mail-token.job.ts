import { Type } from '@sinclair/typebox'
import { findTokenUser, makeToken, stateOf, TOKEN_SECONDS } from '#src/identity/account-tokens.ts'
import { isEmailTaken } from '#src/identity/users.ts'
import { defineJob } from '#src/jobs/job.ts'
import { changeEmail } from '#src/mail/templates/change-email.ts'
import { resetPassword } from '#src/mail/templates/reset-password.ts'
import { verifyEmail } from '#src/mail/templates/verify-email.ts'

const TEMPLATES = { 'reset-password': resetPassword, 'verify-email': verifyEmail, 'change-email': changeEmail }
const Email = Type.String({ maxLength: 254 })

/** When a mail that is asked for now is of no use any more: after a long outage none of them is sent. */
export const mailEnd = () => new Date(Date.now() + TOKEN_SECONDS * 1000).toISOString()

/**
 * Makes a token and sends it, if there is an account that it is for. The request only sends this job, so that it takes the
 * same time and the same statements whether there is an account or not; and no token is stored in clear text, as it would
 * be in the input of a job.
 */
export default defineJob({
  name: 'auth.mail-token',
  input: Type.Object(
    {
      purpose: Type.Union([Type.Literal('reset-password'), Type.Literal('verify-email'), Type.Literal('change-email')]),
      /** The account: by its id, or by its address. */
      account: Type.Union([Type.Object({ id: Type.String({ format: 'uuid' }) }), Type.Object({ email: Email })]),
      /** For a change of the address: the new one, and the state of the account for which its user proved the password. */
      change: Type.Optional(Type.Object({ email: Email, state: Type.String() })),
      until: Type.String({ format: 'date-time' })
    },
    { additionalProperties: false }
  ),
  retry: { delaysSeconds: [10, 60, 300, 900] },
  timeoutSeconds: 120,
  keepSeconds: TOKEN_SECONDS,
  async handle({ db, mailer, config }, { purpose, account, change, until }, { id, log }) {
    if (Date.parse(until) < Date.now()) return
    const user = await findTokenUser(db, account)
    if (!user || (purpose === 'verify-email' && user.verifiedEmail === user.email)) return
    if (change && (change.state !== stateOf(user) || (await isEmailTaken(db, change.email)))) return
    const to = change?.email ?? user.email
    const token = await makeToken(db, { id, purpose, user, to })
    if (token === undefined) {
      log.info({ purpose }, 'no mail is sent: there were too many of the kind within an hour')
      return
    }
    const link = `${config.MAIL_LINK_URL}/${purpose}?token=${token}`
    await mailer.deliver({ to, ...TEMPLATES[purpose](link) }, id, log)
  }
})
