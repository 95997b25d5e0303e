import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { askedScopes, clientOf, confidentialClientOf, OAuthFailure } from '#src/identity/oauth/client-authentication.ts'
import type { Client } from '#src/identity/oauth/clients.ts'
import { commonScopes } from '#src/identity/scopes.ts'
import { originOf } from '#src/identity/sessions/origin.ts'
import { findLive, grantOfSession } from '#src/identity/sessions/sessions.ts'
import {
  challengeOf,
  checkSecondStep,
  refreshLogin,
  startSecondStep,
  startVerifiedLogin,
  type Tokens
} from '#src/identity/sessions/start-login.ts'
import { authenticate, normalizeEmail } from '#src/identity/users.ts'
import { OAuthTokens, oauthErrors, TokenRequest } from './schema.ts'

type Form = Static<typeof TokenRequest>
type Given = Omit<Tokens, 'refreshToken'> & { refreshToken?: string }

/** `POST /oauth/token`: RFC 6749, section 3.2. */
export const tokenRoute: FastifyPluginAsyncTypebox = async (app) => {
  const { db, config, identity } = app
  const { principals, tokens, refreshTokens, guesses } = identity
  const grants: Record<string, (form: Form, request: FastifyRequest) => Promise<Given>> = {
    client_credentials: giveToClient,
    refresh_token: giveAgain,
    ...(config.OAUTH_PASSWORD_GRANT && { password: giveToUser })
  }

  app.post(
    '/token',
    {
      config: { access: 'client' },
      schema: {
        operationId: 'issueToken',
        tags: ['oauth'],
        summary: 'Get an access token (RFC 6749)',
        description:
          'Form-encoded. `client_credentials` with the id and secret of an API key, or `refresh_token`. Errors have the body of RFC 6749.',
        consumes: ['application/x-www-form-urlencoded'],
        body: TokenRequest,
        response: { 200: OAuthTokens, ...oauthErrors }
      }
    },
    async (request) => {
      const form = request.body
      const grant = Object.hasOwn(grants, form.grant_type) ? grants[form.grant_type] : undefined
      if (!grant) throw new OAuthFailure('unsupported_grant_type', 'This grant type is not available.')
      const given = await grant(form, request)
      return {
        access_token: given.accessToken,
        token_type: 'Bearer' as const,
        expires_in: given.expiresIn,
        ...(given.refreshToken && { refresh_token: given.refreshToken }),
        scope: given.scope
      }
    }
  )

  async function giveToClient(form: Form, request: FastifyRequest): Promise<Given> {
    const client = await confidentialClientOf(principals, claimOf(form, request), request.ip)
    const { keyId: clientId, secretId } = client
    identity.usage.mark(clientId)
    const scopes = askedScopes(form.scope, client.scopes, app.knownScopes) ?? [...client.scopes]
    const { token, expiresIn } = await tokens.sign({ sub: clientId, clientId, scopes, secretId })
    return { accessToken: token, expiresIn, scope: scopes.join(' ') }
  }

  async function giveAgain(form: Form, request: FastifyRequest): Promise<Given> {
    const client = await clientOf(principals, claimOf(form, request), request.ip)
    if (form.refresh_token === undefined) throw new OAuthFailure('invalid_request', 'refresh_token is required.')
    const token = refreshTokens.read(form.refresh_token)
    const mayUse = (clientId: string | null) => clientId === null || clientId === client?.keyId
    const asked = form.scope === undefined ? undefined : await scopesWithin(form.scope, token?.sessionId)
    const given = token && (await refreshLogin(identity, db, token, mayUse, { asked, secretId: client?.secretId }))
    if (token && !given) await principals.catchUp()
    if (!given) throw new OAuthFailure('invalid_grant', 'The refresh token is not valid, or it was used before.')
    return given
  }

  async function giveToUser(form: Form, request: FastifyRequest): Promise<Given> {
    const client = await clientOf(principals, claimOf(form, request), request.ip)
    const clientId = client?.keyId ?? null
    const origin = { ...originOf(request, clientId), secretId: client?.secretId }
    const { username, password, challenge, otp } = form
    if (challenge !== undefined && otp !== undefined) {
      const step = await checkSecondStep(identity, db, { challenge, code: otp, clientId }, request.ip)
      const asked = step && (await scopesOfRole(form.scope, step.user.role, client))
      const given = step && (await startSecondStep(identity, db, step, origin, asked))
      if (!given) throw new OAuthFailure('invalid_grant', 'The code is wrong or was used, or the challenge has ended.')
      return given
    }
    if (username === undefined || password === undefined) {
      throw new OAuthFailure('invalid_request', 'username and password are required.')
    }
    const check = () => authenticate(db, username, password)
    const user = await guesses.attempt(normalizeEmail(username), request.ip, check)
    if (!user) throw new OAuthFailure('invalid_grant', 'The user name or the password is wrong.')
    const asked = await scopesOfRole(form.scope, user.role, client)
    if (user.hasSecondFactor) {
      const { challenge } = challengeOf(identity, user, clientId)
      throw new OAuthFailure('second_factor_required', 'Send the challenge and a code as otp.', challenge)
    }
    const given = await startVerifiedLogin(identity, db, { email: username, password, user }, origin, asked)
    /* c8 ignore next -- the password was changed since it was checked: the test of the login route shows it */
    if (!given) throw new OAuthFailure('invalid_grant', 'The user name or the password is wrong.')
    return given
  }

  // A login with a key as its client has no more scopes than the key.
  async function scopesOfRole(scope: string | undefined, role: string, client: Client | undefined) {
    /* c8 ignore next -- the role was deleted since the user was read */
    const scopes = (await principals.roleScopes(role)) ?? new Set<string>()
    return askedScopes(scope, client ? commonScopes(client.scopes, scopes) : scopes, app.knownScopes)
  }

  // Checked before the token is used up: a refused scope must not end the login.
  async function scopesWithin(scope: string, sessionId: string | undefined): Promise<string[] | undefined> {
    const session = sessionId === undefined ? undefined : await findLive(db, sessionId)
    const user = session && (await principals.resolve(grantOfSession(session), undefined))
    return user && askedScopes(scope, user.scopes, app.knownScopes)
  }
}

const claimOf = ({ client_id, client_secret }: Form, { headers: { authorization } }: FastifyRequest) => ({
  authorization,
  client_id,
  client_secret
})
