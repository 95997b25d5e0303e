import { Type } from '@sinclair/typebox'
import { WriteOnly } from '#src/schema/fields.ts'

// Other fields of a form are ignored, as RFC 6749 (section 3.2) requires.
const form = (name: string) => ({ $id: name, title: name, additionalProperties: true })
const Text = (examples: string[] = []) => Type.String({ minLength: 1, maxLength: 4096, examples })
const client = {
  client_id: Type.Optional(Text(['0192f0c1-2345-7abc-8def-0123456789ab'])),
  client_secret: Type.Optional(WriteOnly(Text()))
}

/** RFC 6749, section 4: the form of a token request. */
export const TokenRequest = Type.Object(
  {
    grant_type: Text(['client_credentials']),
    scope: Type.Optional(Text(['products:read'])),
    refresh_token: Type.Optional(WriteOnly(Text())),
    username: Type.Optional(Text(['ada@example.com'])),
    password: Type.Optional(WriteOnly(Text())),
    challenge: Type.Optional(WriteOnly(Text())),
    otp: Type.Optional(WriteOnly(Text())),
    ...client
  },
  form('TokenRequest')
)

/** RFC 7009, section 2.1, and RFC 7662, section 2.1: the token to revoke or to introspect. */
export const TokenQuestion = Type.Object(
  { token: WriteOnly(Text()), token_type_hint: Type.Optional(Text(['access_token'])), ...client },
  form('TokenQuestion')
)

/** RFC 6749, section 5.1. */
export const OAuthTokens = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ examples: [600] }),
    refresh_token: Type.Optional(Type.String()),
    scope: Type.String({ examples: ['products:read'] })
  },
  { $id: 'OAuthTokens', title: 'OAuthTokens' }
)

/** RFC 7662, section 2.2. */
export const Introspection = Type.Object(
  {
    active: Type.Boolean(),
    scope: Type.Optional(Type.String()),
    client_id: Type.Optional(Type.String()),
    token_type: Type.Optional(Type.String()),
    exp: Type.Optional(Type.Integer()),
    iat: Type.Optional(Type.Integer()),
    sub: Type.Optional(Type.String()),
    aud: Type.Optional(Type.String()),
    iss: Type.Optional(Type.String()),
    jti: Type.Optional(Type.String())
  },
  { $id: 'Introspection', title: 'Introspection' }
)

/** RFC 6749, section 5.2: the one error body that is not a Problem, because OAuth 2 clients read this one. */
const OAuthError = Type.Object(
  {
    error: Type.String({ examples: ['invalid_grant'] }),
    error_description: Type.String({ examples: ['The refresh token is not valid.'] }),
    challenge: Type.Optional(
      Type.String({ description: 'With second_factor_required: send it again, with `otp`, instead of the password.' })
    )
  },
  { $id: 'OAuthError', title: 'OAuthError' }
)

/** Every error status of these routes. */
export const oauthErrors = Object.fromEntries(
  [400, 401, 409, 413, 415, 422, 429, 500, 503].map((status) => [status, OAuthError])
)
