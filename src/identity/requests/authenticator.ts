import { hashKey, idOfKey, isKeyText } from '../api-keys/key-format.ts'
import type { KeyUsage } from '../api-keys/key-usage.ts'
import type { Principal } from '../principal.ts'
import { issuerOf, type TokenRequest } from '../tokens/access-tokens.ts'
import type { Grant } from './grant.ts'
import type { PrincipalResolver } from './principal-resolver.ts'

/** Whoever else can say what a token grants. */
export interface Issuer {
  /** @param request the request that the token came with. */
  verify(token: string, request: TokenRequest): Promise<Grant | undefined>
}

const MAX_KEPT = 20_000

/** Turns credentials into principals: once with a signature or a look into the database, from then on in memory. */
export class Authenticator {
  readonly #principals: PrincipalResolver
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #usage: KeyUsage
  // Of a signature only that it held is remembered; whether it is worth anything is asked at every request.
  readonly #grants = new Map<string, Grant>()
  // A connection brings the same credential again and again, and to hash a key costs more than to compare it. As long as the
  // connection lives this is in the clear, but nothing that was not verified before.
  readonly #last = new WeakMap<object, { credential: string; name: string }>()

  /** @param issuers who verifies tokens, by the `iss` of the token. */
  constructor(principals: PrincipalResolver, issuers: ReadonlyMap<string, Issuer>, usage: KeyUsage) {
    this.#principals = principals
    this.#issuers = issuers
    this.#usage = usage
  }

  /**
   * The principal of a credential that was verified before, without waiting; undefined when it must be verified.
   * @param connection on which it came.
   */
  recall(credential: string, address: string, connection: object): Principal | undefined {
    const grant = this.#grantOn(connection, credential)
    const principal = grant && this.#principals.recall(grant, address)
    if (principal?.keyId) this.#usage.mark(principal.keyId)
    return principal ?? undefined
  }

  /** The principal of a credential; undefined when it is forged, expired, revoked, or its user may not do anything. */
  async verify(credential: string, address: string, request: TokenRequest): Promise<Principal | undefined> {
    const name = nameOf(credential)
    const grant = this.#grants.get(name) ?? (await this.#read(credential, request))
    const principal = grant && (await this.#principals.resolve(grant, address))
    if (!principal) {
      this.#grants.delete(name)
      return undefined
    }
    /* c8 ignore next -- so many credentials take a test minutes to make */
    if (this.#grants.size >= MAX_KEPT) this.#grants.delete(this.#grants.keys().next().value as string)
    this.#grants.set(name, grant)
    if (principal.keyId) this.#usage.mark(principal.keyId)
    return principal
  }

  #grantOn(connection: object, credential: string): Grant | undefined {
    const last = this.#last.get(connection)
    if (last?.credential === credential) return this.#grants.get(last.name)
    const name = nameOf(credential)
    const grant = this.#grants.get(name)
    if (grant) this.#last.set(connection, { credential, name })
    return grant
  }

  async #read(credential: string, request: TokenRequest): Promise<Grant | undefined> {
    if (!isKeyText(credential)) return this.#issuers.get(issuerOf(credential) as string)?.verify(credential, request)
    const keyId = idOfKey(credential)
    return keyId === undefined ? undefined : { keyId, keyHash: hashKey(credential) }
  }
}

// Keys live for months, so they are not kept in the clear for longer than a connection lives; a token is worth ten minutes,
// and hashing it costs more.
const nameOf = (credential: string) => (isKeyText(credential) ? hashKey(credential) : credential)
