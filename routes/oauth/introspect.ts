import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { confidentialClientOf } from '#src/identity/oauth/client-authentication.ts'
import { findLiveToken } from '#src/identity/sessions/sessions.ts'
import { OWN_CLIENT } from '#src/identity/tokens/access-tokens.ts'
import { Introspection, oauthErrors, TokenQuestion } from './schema.ts'

/** `POST /oauth/introspect`: RFC 7662. Whether a token is worth anything now, and what. */
export const introspectRoute: FastifyPluginAsyncTypebox = async (app) => {
  const { db, identity, config } = app
  const { principals, tokens, refreshTokens } = identity

  app.post(
    '/introspect',
    {
      config: { access: 'client' },
      schema: {
        operationId: 'introspectToken',
        tags: ['oauth'],
        summary: 'Look at a token (RFC 7662)',
        consumes: ['application/x-www-form-urlencoded'],
        body: TokenQuestion,
        response: { 200: Introspection, ...oauthErrors }
      }
    },
    async (request) => {
      const { token, client_id, client_secret } = request.body
      const { authorization } = request.headers
      await confidentialClientOf(principals, { authorization, client_id, client_secret }, request.ip)
      return (await lookAtAccess(token, request)) ?? (await lookAtRefresh(token)) ?? { active: false }
    }
  )

  async function lookAtAccess(token: string, request: FastifyRequest) {
    const grant = await tokens.verify(token, request)
    // Where its bearer may call from is between them and this server.
    const principal = grant && (await principals.resolve(grant, undefined))
    if (!principal) return undefined
    const { client_id, exp, iat, sub, jti } = (await tokens.claimsOf(token, request)) as Record<string, never>
    return {
      active: true,
      scope: [...principal.scopes].join(' '),
      token_type: 'Bearer',
      iss: config.JWT_ISSUER,
      aud: config.JWT_AUDIENCE,
      client_id,
      exp,
      iat,
      sub,
      jti
    }
  }

  async function lookAtRefresh(token: string) {
    const refresh = refreshTokens.read(token)
    const session = refresh && (await findLiveToken(db, refresh))
    const user = session && (await principals.resolve({ userId: session.userId }, undefined))
    if (!session || !user) return undefined
    return {
      active: true,
      scope: [...user.scopes].join(' '),
      client_id: session.clientId ?? OWN_CLIENT,
      sub: session.userId,
      exp: Number(session.notAfter),
      iss: config.JWT_ISSUER
    }
  }
}
