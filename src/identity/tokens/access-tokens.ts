import { decodeJwt, type JWTPayload } from 'jose'
import { v7 } from 'uuid'
import type { Grant } from '../requests/grant.ts'
import { parseScopes } from '../scopes.ts'
import type { KeyRing } from './signing-keys.ts'

export const ACCESS_TOKEN_SECONDS = 600

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The client of the logins that come through this API's own routes, as `client_id` says it. */
export const OWN_CLIENT = 'tenon'

/** What an access token says. */
export interface TokenContents {
  /** The user, or the client itself (RFC 9068, section 2.2). */
  sub: string
  clientId: string
  scopes: Iterable<string>
  sessionId?: string
  /** Where the client is a key: the secret that it sent, as `secretIdOf` says it. The token ends with that. */
  secretId?: string | undefined
  /** The role whose scopes these are, all of them: what the role gains or loses, the token does too. */
  role?: string | undefined
  /** The token must not outlive its login. In seconds since 1970. */
  notAfter?: number
}

/** The claims that every token of ours has (RFC 9068, section 2.2). */
export const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti', 'scope']

/** What signs: `app.jwt` of @fastify/jwt. */
export interface TokenSigner {
  sign(claims: object, options: { key: string; kid: string }): string
}

/**
 * What verifies: a request, as @fastify/jwt extends it. Unlike `app.jwt.verify()` it keeps a prepared verifier for each
 * key.
 */
export interface TokenRequest {
  tokenToVerify: string
  jwtVerify(): Promise<JWTPayload>
}

/** The access tokens of this server (RFC 9068): signed with EdDSA, ten minutes. plugins/jwt.ts says what must hold. */
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

  /** Signs a token. @returns it, and its life in seconds. */
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

  /** What a token of ours grants by itself, or undefined when it is forged, expired, malformed or for somebody else. */
  async verify(token: string, request: TokenRequest): Promise<Grant | undefined> {
    const claims = await this.claimsOf(token, request)
    return claims && grantOf(claims)
  }

  /** The verified claims of a token, or undefined. @param request does the work: one token at a time. */
  async claimsOf(token: string, request: TokenRequest): Promise<JWTPayload | undefined> {
    try {
      request.tokenToVerify = token
      const claims = await request.jwtVerify()
      return isCanonical(token) ? claims : undefined
    } catch {
      // Whatever it is, the token caused it: among seven classes of errors is a RangeError for `nbf: 1e30`.
      return undefined
    }
  }
}

/** The issuer that a token names, before anything of it is believed; undefined when it is no JWT. */
export function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

/** Whether the signature is written in the one way that base64url has for it: unused bits would make it malleable. */
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
  // A login that came through a key as its client ends with the key, and can do no more than it.
  return { userId: sub, sessionId: sid, expiresAt, ...client, ...(role === undefined && { scopes }) }
}

const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
