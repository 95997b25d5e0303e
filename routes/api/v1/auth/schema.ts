import { Type } from '@sinclair/typebox'
import { Nullable, Personal, Reference, Timestamp, WriteOnly } from '#src/schema/fields.ts'

const strict = (name: string) => ({ $id: name, title: name, additionalProperties: false })
const Email = Personal(Type.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] }))
const NewPassword = WriteOnly(Type.String({ minLength: 8, maxLength: 128, examples: ['correct horse battery staple'] }))
const Password = WriteOnly(Type.String({ minLength: 1, maxLength: 128, examples: ['correct horse battery staple'] }))
const RefreshToken = WriteOnly(Type.String({ minLength: 1, maxLength: 256, examples: ['tnr_AZLw…'] }))

export const Login = Type.Object({ email: Email, password: Password }, strict('Login'))

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

/** What a login answers with (RFC 6749, section 5.1, in this API's camel case). */
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

export const SessionList = Type.Object({ data: Type.Array(Session) }, { $id: 'SessionList', title: 'SessionList' })
