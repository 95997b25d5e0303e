import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { Outbound } from '#src/outbound/outbound.ts'
import { isCleanText } from '#src/schema/coerce.ts'
import type { Grant } from '../requests/grant.ts'
import { parseScopes } from '../scopes.ts'
import { isCanonical } from '../tokens/access-tokens.ts'
import { IssuerKeys, spellingsOf } from './jwks.ts'
import type { IssuerSettings } from './trusted-issuers.ts'
import type { ExternalUsers } from './users.ts'

// The `typ` of access tokens from issuers that know RFC 9068, and from those that do not.
const TYPES = new Set(['at+jwt', 'application/at+jwt', 'jwt', undefined])
const USUAL_CLAIMS = ['scope', 'scp', 'permissions']
// Clocks differ. Only for `nbf`: a grant ends exactly at `exp`, here as elsewhere.
const TOLERANCE_SECONDS = 10

// OpenID Connect, Keycloak and Cognito put these into the scope of every login: they name the claims in the token, and
// say nothing about this API.
const IDENTITY_SCOPES = new Set(
  `openid profile email address phone offline_access roles web-origins acr basic microprofile-jwt organization
  aws.cognito.signin.user.admin`.split(/\s+/)
)

/** An issuer of tokens outside of this server: Auth0, Keycloak, Better Auth and the like. */
export class ExternalIssuer {
  readonly name: string
  readonly keys: IssuerKeys
  readonly #settings: IssuerSettings
  readonly #users: ExternalUsers

  constructor(settings: IssuerSettings, users: ExternalUsers, outbound: Outbound) {
    this.name = settings.issuer
    this.keys = new IssuerKeys(outbound, settings.issuer, settings.jwksUri)
    this.#settings = settings
    this.#users = users
  }

  /**
   * The grant of an issuer's token: its bearer acts as the local user for its subject, within that user's role.
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
    const { algorithms } = this.#settings
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.keys.get, {
        algorithms,
        issuer: spellingsOf(this.name),
        clockTolerance: TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'exp']
      })
      const isAccess = TYPES.has(protectedHeader.typ?.toLowerCase()) && isAccessToken(payload)
      return isAccess && isFor(payload, this.#settings) && isCanonical(token) ? payload : undefined
    } catch (error) {
      if (isRefusal(error)) return undefined
      /* c8 ignore next 2 -- a fault of ours and not of the token; none is known */
      throw error
    }
  }
}

// Cognito (`token_use`) and Keycloak (`typ`) sign ID and refresh tokens with the same key and type.
const isAccessToken = ({ token_use = 'access', typ = 'Bearer' }: JWTPayload) =>
  token_use === 'access' && typ === 'Bearer'

function isFor(claims: JWTPayload, { audience, audienceClaim }: IssuerSettings): boolean {
  return audience === null || [valueAt(claims, audienceClaim)].flat().includes(audience)
}

/**
 * The scopes in claims. Undefined when the issuer gives none, so that the role alone counts: an issuer for identity
 * only, such as Better Auth, sends no scopes, and `profile email` are none. An empty claim, or one that is no list of
 * words, grants nothing.
 */
export function scopesOf(claims: JWTPayload, { scopeClaim, scopes }: IssuerSettings): ReadonlySet<string> | undefined {
  const said = (scopeClaim ? [scopeClaim] : USUAL_CLAIMS).map((path) => valueAt(claims, path)).find(isSaid)
  // A configured claim that is missing grants nothing.
  if (!isSaid(said)) return scopeClaim ? new Set() : undefined
  const words = (Array.isArray(said) ? said : [said]).flatMap((one) => (typeof one === 'string' ? one.split(' ') : []))
  if (scopes) return new Set(words.flatMap((word) => (Object.hasOwn(scopes, word) ? (scopes[word] as string[]) : [])))
  const own = words.filter((word) => !IDENTITY_SCOPES.has(word))
  if (!scopeClaim && own.length === 0 && words.length > 0) return undefined
  return parseScopes(own.join(' '))
}

const isSaid = (value: unknown) => value !== undefined

/** Whether an error means that the token is refused, not that this server failed. */
/* c8 ignore next -- jose throws a TypeError for keys of the wrong kind, which ours never are */
const isRefusal = (error: unknown): boolean => error instanceof errors.JOSEError || error instanceof TypeError

const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 && isCleanText(sub)

function valueAt(claims: object, path: string): unknown {
  // `https://example.com/roles` is one name, with dots in it.
  if (Object.hasOwn(claims, path)) return (claims as Record<string, unknown>)[path]
  return path
    .split('.')
    .reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], claims)
}
