import { errors, type JWTPayload, jwtVerify } from 'jose'
import { isCleanText } from '#src/schema/coerce.ts'
import type { Grant } from '../requests/grant.ts'
import { parseScopes } from '../scopes.ts'
import { isCanonical } from '../tokens/access-tokens.ts'
import { IssuerKeys } from './jwks.ts'
import type { IssuerSettings } from './trusted-issuers.ts'
import type { ExternalUsers } from './users.ts'

// What access tokens are called by those who know RFC 9068, and by those who do not.
const TYPES = new Set(['at+jwt', 'application/at+jwt', 'jwt', undefined])
const USUAL_CLAIMS = ['scope', 'scp', 'permissions']

/** An issuer of tokens outside of this server: Auth0, Keycloak, Better Auth and the like. */
export class ExternalIssuer {
  readonly name: string
  readonly keys: IssuerKeys
  readonly #settings: IssuerSettings
  readonly #users: ExternalUsers

  constructor(settings: IssuerSettings, users: ExternalUsers) {
    this.name = settings.issuer
    this.keys = new IssuerKeys(settings.issuer, settings.jwksUri)
    this.#settings = settings
    this.#users = users
  }

  /**
   * What a token of this issuer grants: its bearer acts as the user that stands for them here, within that user's role.
   * Undefined when it is forged, expired, or for another audience.
   */
  async verify(token: string): Promise<Grant | undefined> {
    const claims = await this.#claimsOf(token)
    if (!claims || !isSubject(claims.sub)) return undefined
    const scopes = scopesOf(claims, this.#settings)
    const userId = await this.#users.find(this.name, claims.sub, this.#settings.role)
    return { userId, expiresAt: (claims.exp as number) * 1000, ...(scopes && { scopes }) }
  }

  async #claimsOf(token: string): Promise<JWTPayload | undefined> {
    const { audience, algorithms } = this.#settings
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.keys.get, {
        algorithms,
        audience,
        issuer: this.name,
        requiredClaims: ['sub', 'exp']
      })
      return TYPES.has(protectedHeader.typ?.toLowerCase()) && isCanonical(token) ? payload : undefined
    } catch (error) {
      if (isRefusal(error)) return undefined
      /* c8 ignore next 2 -- a fault of ours and not of the token; none is known */
      throw error
    }
  }
}

/**
 * The scopes that claims stand for; undefined when the issuer says nothing about them, so that the role alone counts:
 * who only proves who somebody is, such as Better Auth, has no scopes to give.
 */
export function scopesOf(claims: JWTPayload, { scopeClaim, scopes }: IssuerSettings): ReadonlySet<string> | undefined {
  const said = (scopeClaim ? [scopeClaim] : USUAL_CLAIMS).map((path) => valueAt(claims, path)).find(Boolean)
  // A claim that was asked for and is not there grants nothing.
  if (said === undefined) return scopeClaim ? new Set() : undefined
  const words = (Array.isArray(said) ? said : String(said).split(' ')).map(String)
  if (!scopes) return parseScopes(words.join(' '))
  return new Set(words.flatMap((word) => (Object.hasOwn(scopes, word) ? (scopes[word] as string[]) : [])))
}

/** Whether an error means that a token is refused, and not that something of ours failed. */
/* c8 ignore next -- jose throws a TypeError for keys of the wrong kind, which ours never are */
const isRefusal = (error: unknown): boolean => error instanceof errors.JOSEError || error instanceof TypeError

const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 && isCleanText(sub)

function valueAt(claims: object, path: string): unknown {
  // `https://example.com/roles` is a name of its own, with dots in it.
  if (Object.hasOwn(claims, path)) return (claims as Record<string, unknown>)[path]
  return path
    .split('.')
    .reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], claims)
}
