import { Type } from '@sinclair/typebox'
import { Nullable, Personal, Reference, Timestamp, WriteOnly } from '#src/schema/fields.ts'

const strict = (name: string) => ({ $id: name, title: name, additionalProperties: false })
const Email = Personal(Type.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] }))
const NewPassword = WriteOnly(Type.String({ minLength: 8, maxLength: 128, examples: ['correct horse battery staple'] }))
const Password = WriteOnly(Type.String({ minLength: 1, maxLength: 128, examples: ['correct horse battery staple'] }))
const RefreshToken = WriteOnly(Type.String({ minLength: 1, maxLength: 256, examples: ['tnr_AZLw…'] }))

export const Login = Type.Object({ email: Email, password: Password }, strict('Login'))

const Code = WriteOnly(
  Type.String({
    description: 'Six digits of the authenticator app, or a recovery code.',
    minLength: 6,
    maxLength: 32,
    examples: ['123456']
  })
)

/** The second step of a login, with the challenge of the `SECOND_FACTOR_REQUIRED` that answered the first. */
export const LoginCode = Type.Object(
  { challenge: WriteOnly(Type.String({ minLength: 1, maxLength: 512, examples: ['tnc_WyIwMTky…'] })), code: Code },
  strict('LoginCode')
)

/** Proof that the user is present. */
export const PasswordProof = Type.Object({ currentPassword: Password }, strict('PasswordProof'))

export const FactorCode = Type.Object({ code: Code }, strict('FactorCode'))

export const FactorRemoval = Type.Object({ currentPassword: Password, code: Code }, strict('FactorRemoval'))

/** The values for an authenticator app. Shown this once. */
export const FactorSecret = Type.Object(
  {
    secret: Type.String({ description: 'Base32, to type in.', examples: ['JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'] }),
    uri: Type.String({
      description: 'To show as a QR code.',
      examples: ['otpauth://totp/Tenon:ada@example.com?secret=…']
    })
  },
  { $id: 'FactorSecret', title: 'FactorSecret' }
)

export const RecoveryCodes = Type.Object(
  {
    recoveryCodes: Type.Array(Type.String({ examples: ['abcd-efgh-jkmn-pqrs'] }), {
      description: 'Each stands in for a code of the app, once. Shown this once.'
    })
  },
  { $id: 'RecoveryCodes', title: 'RecoveryCodes' }
)

export const FactorState = Type.Object(
  {
    enabled: Type.Boolean({ description: 'Whether a login asks for a code.' }),
    confirmedAt: Nullable(Timestamp()),
    recoveryCodesLeft: Type.Integer({ examples: [10] })
  },
  { $id: 'FactorState', title: 'FactorState' }
)

export const EmailChange = Type.Object(
  { currentPassword: Password, email: Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.org'] }) },
  strict('EmailChange')
)

const MailToken = WriteOnly(Type.String({ minLength: 1, maxLength: 128, examples: ['tnm_Yk3u…'] }))

export const PasswordResetRequest = Type.Object({ email: Email }, strict('PasswordResetRequest'))

export const PasswordReset = Type.Object({ token: MailToken, password: NewPassword }, strict('PasswordReset'))

export const VerificationRequest = Type.Object({ email: Type.Optional(Email) }, strict('VerificationRequest'))

/** The token of a link that was sent by mail. */
export const TokenConfirmation = Type.Object({ token: MailToken }, strict('TokenConfirmation'))

/** A mail was asked for. */
export const Accepted = Type.Object(
  { message: Type.String({ examples: ['A mail is on its way, if there is an account that it is for.'] }) },
  { $id: 'MailAccepted', title: 'MailAccepted' }
)

export const Registration = Type.Object(
  {
    email: Personal(Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.com'] })),
    password: NewPassword,
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 200, examples: ['Ada Lovelace'] }))
  },
  strict('Registration')
)

export const Refresh = Type.Object({ refreshToken: RefreshToken }, strict('Refresh'))

export const Logout = Type.Object({ refreshToken: Type.Optional(RefreshToken) }, strict('Logout'))

export const PasswordChange = Type.Object(
  { currentPassword: Password, newPassword: NewPassword },
  strict('PasswordChange')
)

/** The answer to a login (RFC 6749, section 5.1, in this API's camel case). */
export const TokenAnswer = Type.Object(
  {
    accessToken: Type.String({ description: 'A JWT (RFC 9068): send it as `Authorization: Bearer <token>`.' }),
    tokenType: Type.Literal('Bearer'),
    expiresIn: Type.Integer({ description: 'Seconds.', examples: [600] }),
    refreshToken: Type.String({ description: 'Good for one use: the answer to it has the next one.' }),
    scope: Type.String({ examples: ['items:read items:write'] })
  },
  { $id: 'TokenAnswer', title: 'TokenAnswer' }
)

export const Session = Type.Object(
  {
    id: Reference(),
    current: Type.Boolean({ description: 'Whether this request belongs to it.' }),
    userAgent: Nullable(Type.String()),
    ip: Nullable(Type.String({ examples: ['203.0.113.7'] })),
    clientId: Nullable(Type.String({ description: 'The API key that the login came through.' })),
    createdAt: Timestamp(),
    lastUsedAt: Timestamp(),
    expiresAt: Timestamp()
  },
  { $id: 'Session', title: 'Session' }
)

/** The logins of a user, for administrators. */
export const UserSessionList = Type.Object(
  { data: Type.Array(Type.Omit(Session, ['current'], { $id: 'UserSession', title: 'UserSession' })) },
  { $id: 'UserSessionList', title: 'UserSessionList' }
)

export const SessionList = Type.Object({ data: Type.Array(Session) }, { $id: 'SessionList', title: 'SessionList' })
