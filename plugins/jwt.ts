import jwt, { type TokenOrHeader } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { openKeyRing } from '#src/identity/identity.ts'
import { ACCESS_TOKEN_SECONDS, REQUIRED_CLAIMS } from '#src/identity/tokens/access-tokens.ts'
import type { KeyRing } from '#src/identity/tokens/signing-keys.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The keys of this API's own access tokens. */
    signingKeys: KeyRing
  }
  interface FastifyRequest {
    /** The token that `jwtVerify` checks: the client's own, or one in the body. */
    tokenToVerify: string
  }
}

const JWT_TYPE = 'at+jwt'

/** Signs and verifies this API's own access tokens (RFC 9068). jose verifies those of other issuers. */
export default fp(
  async (app) => {
    const { JWT_ISSUER, JWT_AUDIENCE } = app.config
    const keys = await openKeyRing(app.db, app.config)
    app.decorate('signingKeys', keys)
    app.decorateRequest('tokenToVerify', '')

    // Throws for an unknown key id: for undefined @fastify/jwt would use its own default.
    async function publicKeyOf(_request: FastifyRequest, decoded: TokenOrHeader): Promise<string> {
      const { header } = decoded as { header: { kid?: unknown } }
      const key = typeof header.kid === 'string' ? await keys.find(header.kid) : undefined
      if (!key) throw new Error('the token names no key of ours')
      return key.publicPem
    }

    await app.register(jwt, {
      decoratorName: 'tokenClaims',
      decode: { complete: true },
      secret: {
        public: publicKeyOf,
        /* c8 ignore next -- AccessTokens passes the key for each token; without one here @fastify/jwt does not sign */
        private: async () => keys.current.privatePem
      },
      sign: { algorithm: 'EdDSA', header: { alg: 'EdDSA', typ: JWT_TYPE } },
      verify: {
        extractToken: ({ tokenToVerify }) => tokenToVerify,
        algorithms: ['EdDSA'],
        checkTyp: JWT_TYPE,
        allowedIss: JWT_ISSUER,
        allowedAud: JWT_AUDIENCE,
        // A token without `iss` or `aud` would pass the two above.
        requiredClaims: REQUIRED_CLAIMS,
        // Without it any `iat` would pass.
        maxAge: ACCESS_TOKEN_SECONDS,
        // The Authenticator caches verified tokens, and checks revocation on every request.
        errorCacheTTL: -1
      }
    })
  },
  { name: 'jwt', dependencies: ['db'] }
)
