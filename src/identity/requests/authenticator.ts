import { hashKey, idOfKey, isKeyText } from '../api-keys/key-format.ts'
import type { KeyUsage } from '../api-keys/key-usage.ts'
import type { Principal } from '../principal.ts'
import { issuerOf, type TokenRequest } from '../tokens/access-tokens.ts'
import type { Grant } from './grant.ts'
import type { PrincipalResolver } from './principal-resolver.ts'

/** A verifier of tokens. */
export interface Issuer {
  /** @param request the request that the token came with. */
  verify(token: string, request: TokenRequest): Promise<Grant | undefined>
}

const MAX_KEPT = 20_000

/** Turns credentials into principals: first by a signature check or a database read, later from memory. */
export class Authenticator {
  readonly #principals: PrincipalResolver
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #usage: KeyUsage
  // Cache only that the signature is valid; revocation is checked on every request.
  readonly #grants = new Map<string, Grant>()
  // A connection repeats one credential, and hashing a key costs more than comparing it. It stays in plain text as long
  // as the connection lives, but only after it was verified.
  readonly #last = new WeakMap<object, { credential: string; name: string }>()

  /** @param issuers the verifiers of tokens, by their `iss`. */
  constructor(principals: PrincipalResolver, issuers: ReadonlyMap<string, Issuer>, usage: KeyUsage) {
    this.#principals = principals
    this.#issuers = issuers
    this.#usage = usage
  }

  /**
   * The principal of a credential that was verified before, without waiting; undefined when it must be verified.
   * @param connection the connection of the request.
   */
  recall(credential: string, address: string, connection: object): Principal | undefined {
    const grant = this.#grantOn(connection, credential)
    const principal = grant && this.#principals.recall(grant, address)
    if (principal?.keyId) this.#usage.mark(principal.keyId)
    return principal ?? undefined
  }

  /** The principal of a credential; undefined when it is forged, expired, revoked, or of a disabled user. */
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

// Keys live for months, so their plain text is kept no longer than a connection lives. A token lives ten minutes, and
// hashing it costs more.
const nameOf = (credential: string) => (isKeyText(credential) ? hashKey(credential) : credential)
