import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { confidentialClientOf } from '#src/identity/oauth/client-authentication.ts'
import type { Client } from '#src/identity/oauth/clients.ts'
import { allows } from '#src/identity/scopes.ts'
import { findLiveToken, grantOfSession } from '#src/identity/sessions/sessions.ts'
import { OWN_CLIENT } from '#src/identity/tokens/access-tokens.ts'
import { Introspection, oauthErrors, TokenQuestion } from './schema.ts'

const ANY_TOKEN = 'oauth:introspect'

/** `POST /oauth/introspect`: RFC 7662. Whether a token is valid now, and its content. */
export const introspectRoute: FastifyPluginAsyncTypebox = async (app) => {
  const { db, identity, config } = app
  const { principals, tokens, refreshTokens } = identity

  app.post(
    '/introspect',
    {
      config: { access: 'client', scopes: [ANY_TOKEN] },
      schema: {
        operationId: 'introspectToken',
        tags: ['oauth'],
        summary: 'Look at a token (RFC 7662)',
        description: `A client sees the tokens that were issued to it and those of its own user; others only with the scope \`${ANY_TOKEN}\`.`,
        consumes: ['application/x-www-form-urlencoded'],
        body: TokenQuestion,
        response: { 200: Introspection, ...oauthErrors }
      }
    },
    async (request) => {
      const { token, client_id, client_secret } = request.body
      const { authorization } = request.headers
      const client = await confidentialClientOf(principals, { authorization, client_id, client_secret }, request.ip)
      const seen = (await lookAtAccess(token, request)) ?? (await lookAtRefresh(token))
      return seen && maySee(client, seen) ? seen.answer : { active: false }
    }
  )

  async function lookAtAccess(token: string, request: FastifyRequest): Promise<Seen | undefined> {
    const grant = await tokens.verify(token, request)
    // The address does not matter here: the allow-list is checked where the token itself is used.
    const principal = grant && (await principals.resolve(grant, undefined))
    if (!principal) return undefined
    const { client_id, exp, iat, sub, jti } = (await tokens.claimsOf(token, request)) as Record<string, never>
    const scope = [...principal.scopes].join(' ')
    const { JWT_ISSUER: iss, JWT_AUDIENCE: aud } = config
    return {
      userId: principal.userId,
      answer: { active: true, scope, token_type: 'Bearer', iss, aud, client_id, exp, iat, sub, jti }
    }
  }

  async function lookAtRefresh(token: string): Promise<Seen | undefined> {
    const refresh = refreshTokens.read(token)
    const session = refresh && (await findLiveToken(db, refresh))
    const principal = session && (await principals.resolve(grantOfSession(session), undefined))
    if (!session || !principal) return undefined
    const { userId, clientId, notAfter } = session
    const client_id = clientId ?? OWN_CLIENT
    const scope = [...principal.scopes].join(' ')
    return {
      userId,
      answer: { active: true, scope, client_id, sub: userId, exp: Number(notAfter), iss: config.JWT_ISSUER }
    }
  }
}

interface Seen {
  userId: string
  answer: Static<typeof Introspection>
}

// A key without scopes must not show the tokens of all users to its holder.
const maySee = (client: Client, { userId, answer }: Seen) =>
  answer.client_id === client.keyId || userId === client.userId || allows(client.scopes, ANY_TOKEN)
