import type { Database, Listen } from '../db/database.ts'
import { sharedKey } from '../db/shared-secrets.ts'
import type { Outbound } from '../outbound/outbound.ts'
import { KeyUsage } from './api-keys/key-usage.ts'
import { ExternalIssuer } from './external/issuer.ts'
import { spellingsOf } from './external/jwks.ts'
import { parseTrustedIssuers, TrustedIssuerError } from './external/trusted-issuers.ts'
import { ExternalUsers } from './external/users.ts'
import { type AttemptWindows, LOGIN_LIMITS, LoginThrottle, SECOND_FACTOR_LIMITS } from './passwords/login-throttle.ts'
import { dummyHash } from './passwords/passwords.ts'
import { findRole } from './requests/auth-records.ts'
import { Authenticator, type Issuer } from './requests/authenticator.ts'
import { FailureThrottle } from './requests/failure-throttle.ts'
import { PrincipalResolver } from './requests/principal-resolver.ts'
import { SecondFactorSecrets } from './second-factor/secrets.ts'
import { loginNetworks } from './sessions/sessions.ts'
import { AccessTokens, type TokenSigner } from './tokens/access-tokens.ts'
import { startKeyRotation } from './tokens/key-rotation.ts'
import { RefreshTokens } from './tokens/refresh-tokens.ts'
import { configuredKeys, KeyRing, sharedKeys } from './tokens/signing-keys.ts'

/** The part of the configuration for identity. */
interface IdentityConfig {
  JWT_PRIVATE_KEY?: string | undefined
  JWT_ISSUER: string
  JWT_AUDIENCE: string
  TRUSTED_ISSUERS: string
}

/** The parts of authentication that the routes and hooks of a process share. */
export interface Identity {
  principals: PrincipalResolver
  authenticator: Authenticator
  tokens: AccessTokens
  refreshTokens: RefreshTokens
  keys: KeyRing
  usage: KeyUsage
  guesses: LoginThrottle
  /** The counters of attempts; undefined without rate limits. */
  attempts: AttemptWindows | undefined
  /** The same for codes of second factors. */
  codes: LoginThrottle
  factorSecrets: SecondFactorSecrets
  failures: FailureThrottle
  close(): Promise<void>
}

/** The keys that sign access tokens, those of the configuration or the shared ones. @throws when one is not usable. */
export async function openKeyRing(db: Database, { JWT_PRIVATE_KEY }: IdentityConfig): Promise<KeyRing> {
  const keys = new KeyRing(() => (JWT_PRIVATE_KEY ? configuredKeys(JWT_PRIVATE_KEY) : sharedKeys(db)))
  await keys.refresh()
  return keys
}

/**
 * The parts from outside: the signing keys, the signer, the counters of wrong passwords (if limited), and the client that
 * fetches the keys of other issuers.
 */
interface IdentityParts {
  outbound: Outbound
  keys: KeyRing
  signer: TokenSigner
  attempts: AttemptWindows | undefined
}

/** Opens identity on a database. @throws when a configured issuer is not usable. */
export async function openIdentity(
  db: Database,
  listen: Listen,
  config: IdentityConfig,
  { keys, signer, attempts, outbound }: IdentityParts
): Promise<Identity> {
  const { JWT_ISSUER, JWT_AUDIENCE } = config
  const principals = new PrincipalResolver(db, listen)
  principals.onSigningKeys(() => void keys.refresh().catch(() => {}))
  await principals.start()

  const tokens = new AccessTokens(keys, JWT_ISSUER, JWT_AUDIENCE, signer)
  const externalUsers = new ExternalUsers(db)
  principals.onExternalUser(() => externalUsers.forget())
  const trusted = parseTrustedIssuers(config.TRUSTED_ISSUERS, JWT_AUDIENCE)
  for (const { role } of trusted) {
    // Without the role the first token would be a conflict, and every later one.
    if (!(await findRole(db, role)))
      throw new TrustedIssuerError(`TRUSTED_ISSUERS names the role ${role}, which does not exist`)
  }
  const outside = trusted.map((settings) => new ExternalIssuer(settings, externalUsers, outbound))
  for (const issuer of outside) issuer.keys.prefetch()
  const issuers = new Map<string, Issuer>(
    outside.flatMap((issuer) => spellingsOf(issuer.name).map((name) => [name, issuer] as const))
  )
  const usage = new KeyUsage(db)
  const stopRotation = startKeyRotation(db, () => principals.isAsleep)
  const findNetworks = (account: string) => loginNetworks(db, account)
  await dummyHash()
  return {
    principals,
    authenticator: new Authenticator(principals, issuers.set(JWT_ISSUER, tokens), usage),
    tokens,
    refreshTokens: new RefreshTokens(await sharedKey(db, 'refresh-tokens')),
    keys,
    usage,
    attempts,
    guesses: new LoginThrottle(attempts, 'login', LOGIN_LIMITS, findNetworks),
    codes: new LoginThrottle(attempts, 'code', SECOND_FACTOR_LIMITS, findNetworks),
    factorSecrets: new SecondFactorSecrets(await sharedKey(db, 'second-factors')),
    failures: new FailureThrottle(),
    async close() {
      stopRotation()
      await usage.close()
      await principals.close()
    }
  }
}
