import type { Database, Listen } from '../db/database.ts'
import { sharedKey } from '../db/shared-secrets.ts'
import { KeyUsage } from './api-keys/key-usage.ts'
import { OutsideIssuer } from './external/issuer.ts'
import { parseTrustedIssuers } from './external/trusted-issuers.ts'
import { OutsideUsers } from './external/users.ts'
import { keepHouse } from './housekeeping.ts'
import { GuessBrake } from './passwords/login-throttle.ts'
import { nobodysHash } from './passwords/passwords.ts'
import { Authenticator, type Issuer } from './requests/authenticator.ts'
import { AddressFailures } from './requests/failure-throttle.ts'
import { Authority } from './requests/principal-resolver.ts'
import { AccessTokens } from './tokens/access-tokens.ts'
import { RefreshTokens } from './tokens/refresh-tokens.ts'
import { configuredKeys, KeyRing, sharedKeys } from './tokens/signing-keys.ts'

/** What identity needs of the configuration. */
export interface IdentityConfig {
  JWT_PRIVATE_KEY?: string | undefined
  JWT_ISSUER: string
  JWT_AUDIENCE: string
  TRUSTED_ISSUERS: string
}

/** Who is asking, as one thing: what the routes and hooks of a process share. */
export interface Identity {
  authority: Authority
  authenticator: Authenticator
  tokens: AccessTokens
  refreshTokens: RefreshTokens
  keys: KeyRing
  usage: KeyUsage
  guesses: GuessBrake
  failures: AddressFailures
  close(): Promise<void>
}

/** Puts identity to work on a database. @throws when a configured signing key or issuer is not usable. */
export async function openIdentity(db: Database, listen: Listen, config: IdentityConfig): Promise<Identity> {
  const { JWT_PRIVATE_KEY, JWT_ISSUER, JWT_AUDIENCE } = config
  const keys = new KeyRing(() => (JWT_PRIVATE_KEY ? configuredKeys(JWT_PRIVATE_KEY) : sharedKeys(db)))
  await keys.refresh()
  const authority = new Authority(db, listen)
  authority.onSigningKeys(() => void keys.refresh().catch(() => {}))
  await authority.start()

  const tokens = new AccessTokens(keys, JWT_ISSUER, JWT_AUDIENCE)
  const outsideUsers = new OutsideUsers(db)
  authority.onExternal(() => outsideUsers.forget())
  const outside = parseTrustedIssuers(config.TRUSTED_ISSUERS, JWT_AUDIENCE).map(
    (settings) => new OutsideIssuer(settings, outsideUsers)
  )
  for (const issuer of outside) issuer.keys.prefetch()
  const issuers = new Map<string, Issuer>(outside.map((issuer) => [issuer.name, issuer]))
  const usage = new KeyUsage(db)
  const stopHousekeeping = keepHouse(db)
  await nobodysHash()
  return {
    authority,
    authenticator: new Authenticator(authority, issuers.set(JWT_ISSUER, tokens), usage),
    tokens,
    refreshTokens: new RefreshTokens(await sharedKey(db, 'refresh-tokens')),
    keys,
    usage,
    guesses: new GuessBrake(),
    failures: new AddressFailures(),
    async close() {
      stopHousekeeping()
      await usage.close()
      await authority.close()
    }
  }
}
