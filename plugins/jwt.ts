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
    /** The token that `jwtVerify` looks at: that of the caller, or one that the body asks about. */
    tokenToVerify: string
  }
}

const JWT_TYPE = 'at+jwt'

/** Signs and verifies this API's own access tokens (RFC 9068). Those of other issuers are a matter of jose. */
export default fp(
  async (app) => {
    const { JWT_ISSUER, JWT_AUDIENCE } = app.config
    const keys = await openKeyRing(app.db, app.config)
    app.decorate('signingKeys', keys)
    app.decorateRequest('tokenToVerify', '')

    // For an unknown name it must throw: of undefined @fastify/jwt makes its own default.
    async function publicKeyOf(_request: FastifyRequest, decoded: TokenOrHeader): Promise<string> {
      const { header } = decoded as { header: { kid?: unknown } }
      const key = typeof header.kid === 'string' ? await keys.find(header.kid) : undefined
      if (!key) throw new Error('the token names no key of ours')
      return key.publicPem
    }

    await app.register(jwt, {
      decoratorName: 'tokenClaims',
      decode: { complete: true },
      secret: { public: publicKeyOf, private: async () => keys.current.privatePem },
      sign: { algorithm: 'EdDSA', header: { alg: 'EdDSA', typ: JWT_TYPE } },
      verify: {
        extractToken: ({ tokenToVerify }) => tokenToVerify,
        algorithms: ['EdDSA'],
        checkTyp: JWT_TYPE,
        allowedIss: JWT_ISSUER,
        allowedAud: JWT_AUDIENCE,
        // A token that lacks `iss` or `aud` would pass the two above.
        requiredClaims: REQUIRED_CLAIMS,
        // Without it `iat` may be anything.
        maxAge: ACCESS_TOKEN_SECONDS,
        // What was verified is kept by the Authenticator, which asks for revocations at every request.
        errorCacheTTL: -1
      }
    })
  },
  { name: 'jwt', dependencies: ['db'] }
)
