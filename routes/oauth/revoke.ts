import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf, OAuthFailure } from '#src/identity/oauth/client-authentication.ts'
import { endSession, endSessionOf, findLive, revokeToken } from '#src/identity/sessions/sessions.ts'
import { OWN_CLIENT } from '#src/identity/tokens/access-tokens.ts'
import { oauthErrors, TokenQuestion } from './schema.ts'

// Without a body, as its RFC has it: a null would be sent as the text `null`.
const Done = Type.Unsafe<undefined>(Type.Null({ description: 'The token is not valid any more; or never was.' }))

/** `POST /oauth/revoke`: RFC 7009. Both tokens of a login end, whichever is sent. */
export const revokeRoute: FastifyPluginAsyncTypebox = async (app) => {
  const { db, identity } = app
  const { principals, tokens, refreshTokens } = identity

  app.post(
    '/revoke',
    {
      config: { access: 'client' },
      schema: {
        operationId: 'revokeToken',
        tags: ['oauth'],
        summary: 'End an access or a refresh token (RFC 7009)',
        description: 'A token that is not valid, or not known, is 200 as well: it is good for nothing afterwards.',
        consumes: ['application/x-www-form-urlencoded'],
        body: TokenQuestion,
        response: { 200: Done, ...oauthErrors }
      }
    },
    async (request, reply) => {
      const { token, client_id, client_secret } = request.body
      const { authorization } = request.headers
      const client = await clientOf(principals, { authorization, client_id, client_secret }, request.ip)
      const own = client?.keyId ?? OWN_CLIENT
      const refresh = refreshTokens.read(token)
      if (refresh) {
        const session = await findLive(db, refresh.sessionId)
        if (session) refuseOther(session.clientId ?? OWN_CLIENT, own)
        await endSessionOf(db, refresh)
      } else {
        const claims = await tokens.claimsOf(token, request)
        // A token that is not from this server needs no database.
        if (!claims) return reply.code(200).send(undefined)
        refuseOther(claims.client_id as string, own)
        if (claims.sid) await endSession(db, claims.sub as string, claims.sid as string)
        else await revokeToken(db, claims.jti as string, claims.exp as number)
      }
      await principals.catchUp()
      return reply.code(200).send(undefined)
    }
  )
}

// A login of this API's own client may be ended by any holder of its token.
function refuseOther(owner: string, own: string): void {
  if (owner === OWN_CLIENT || owner === own) return
  throw new OAuthFailure('unauthorized_client', 'The token belongs to another client.')
}
