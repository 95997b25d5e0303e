import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const KeySet = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String({ examples: ['OKP'] }),
        crv: Type.String({ examples: ['Ed25519'] }),
        x: Type.String(),
        kid: Type.String(),
        alg: Type.String({ examples: ['EdDSA'] }),
        use: Type.String({ examples: ['sig'] })
      })
    )
  },
  { $id: 'KeySet', title: 'KeySet' }
)

/** RFC 7517: the public keys that verify access tokens, with the next one already among them. */
export default (async (app) => {
  app.get(
    '/jwks.json',
    {
      config: { access: 'public', priority: 'health' },
      schema: {
        operationId: 'readKeySet',
        tags: ['oauth'],
        summary: 'The public keys of the access tokens (RFC 7517)',
        description:
          'For services that check access tokens themselves. A key that is going out of use stays until its last token has expired.',
        response: { 200: KeySet }
      }
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=600')
      return app.identity.keys.jwks as never
    }
  )
}) satisfies FastifyPluginAsyncTypebox
