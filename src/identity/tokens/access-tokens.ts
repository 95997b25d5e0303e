import { decodeJwt, type JWTPayload } from 'jose'
import { v7 } from 'uuid'
import type { Grant } from '../requests/grant.ts'
import { parseScopes } from '../scopes.ts'
import type { KeyRing } from './signing-keys.ts'

export const ACCESS_TOKEN_SECONDS = 600

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The `client_id` of logins through this API's own routes. */
export const OWN_CLIENT = 'tenon'

/** The content of an access token. */
interface TokenContents {
  /** The user, or the client itself (RFC 9068, section 2.2). */
  sub: string
  clientId: string
  scopes: Iterable<string>
  sessionId?: string
  /** Where the client is a key: the secret that it sent, as `secretIdOf` names it. The token ends with that secret. */
  secretId?: string | undefined
  /** Set when the token has all scopes of this role: it then gains and loses scopes with the role. */
  role?: string | undefined
  /** The token must not outlive its login. In seconds since 1970. */
  notAfter?: number
}

/** The required claims of this server's tokens (RFC 9068, section 2.2). */
export const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti', 'scope']

/** The signer: `app.jwt` of @fastify/jwt. */
export interface TokenSigner {
  sign(claims: object, options: { key: string; kid: string }): string
}

/**
 * The verifier: a request, as @fastify/jwt extends it. Unlike `app.jwt.verify()` it keeps a prepared verifier for each
 * key.
 */
export interface TokenRequest {
  tokenToVerify: string
  jwtVerify(): Promise<JWTPayload>
}

/** The access tokens of this server (RFC 9068): EdDSA, ten minutes. plugins/jwt.ts has the rules for verification. */
export class AccessTokens {
  readonly #keys: KeyRing
  readonly #issuer: string
  readonly #audience: string
  readonly #signer: TokenSigner

  constructor(keys: KeyRing, issuer: string, audience: string, signer: TokenSigner) {
    this.#keys = keys
    this.#issuer = issuer
    this.#audience = audience
    this.#signer = signer
  }

  /** Signs a token. @returns the token, and its life in seconds. */
  async sign(contents: TokenContents): Promise<{ token: string; expiresIn: number }> {
    const { kid, privatePem } = this.#keys.current
    const now = Math.floor(Date.now() / 1000)
    const expiresAt = Math.min(now + ACCESS_TOKEN_SECONDS, contents.notAfter ?? Infinity)
    const { sessionId, role, secretId } = contents
    const claims = {
      iss: this.#issuer,
      aud: this.#audience,
      sub: contents.sub,
      client_id: contents.clientId,
      iat: now,
      exp: expiresAt,
      jti: v7(),
      scope: [...contents.scopes].join(' '),
      ...(sessionId && { sid: sessionId }),
      ...(role && { role }),
      ...(secretId && { secret_id: secretId })
    }
    return { token: this.#signer.sign(claims, { key: privatePem, kid }), expiresIn: expiresAt - now }
  }

  /** The grant of a token of this server; undefined when it is forged, expired, malformed or for another audience. */
  async verify(token: string, request: TokenRequest): Promise<Grant | undefined> {
    const claims = await this.claimsOf(token, request)
    return claims && grantOf(claims)
  }

  /** The verified claims of a token, or undefined. @param request verifies it: one token at a time. */
  async claimsOf(token: string, request: TokenRequest): Promise<JWTPayload | undefined> {
    try {
      request.tokenToVerify = token
      const claims = await request.jwtVerify()
      return isCanonical(token) ? claims : undefined
    } catch {
      // Any error comes from the token: among seven classes of errors is a RangeError for `nbf: 1e30`.
      return undefined
    }
  }
}

/** The issuer named in an unverified token; undefined when it is no JWT. */
export function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

/** Whether the signature has its only valid base64url spelling: unused bits would make it malleable. */
export function isCanonical(token: string): boolean {
  const signature = token.slice(token.lastIndexOf('.') + 1)
  return Buffer.from(signature, 'base64url').toString('base64url') === signature
}

function grantOf(claims: JWTPayload): Grant | undefined {
  const { sub, client_id, jti, exp, scope, sid, role, secret_id } = claims
  if (typeof scope !== 'string' || !Number.isSafeInteger(exp)) return undefined
  const expiresAt = (exp as number) * 1000
  const scopes = parseScopes(scope)
  const client = isUuid(client_id) && typeof secret_id === 'string' && { keyId: client_id, secretId: secret_id }
  if (sid === undefined) return client ? { ...client, tokenId: jti as string, expiresAt, scopes } : undefined
  if (!isUuid(sid) || !isUuid(sub) || !(client || client_id === OWN_CLIENT)) return undefined
  // A login through a key as its client ends with the key, and has no more scopes than the key.
  return { userId: sub, sessionId: sid, expiresAt, ...client, ...(role === undefined && { scopes }) }
}

const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
