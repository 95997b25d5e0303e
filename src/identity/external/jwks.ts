import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Outbound } from '#src/outbound/outbound.ts'

const APART_MS = 1000
const TIMEOUT_MS = 2000
const MAX_BYTES = 1_048_576
const FRESH_MS = 600_000

/** Both spellings of an issuer: Auth0 ends its own with a slash, and people leave it out. */
export const spellingsOf = (issuer: string): [string, string] => [
  issuer.replace(/\/$/, ''),
  issuer.replace(/\/?$/, '/')
]

type Keys = ReturnType<typeof createLocalJWKSet>

/**
 * The public keys of an external issuer. Fetched at most once a second, within 2 s and 1 MB; while the issuer is down,
 * the known keys stay valid.
 */
export class IssuerKeys {
  readonly #outbound: Outbound
  readonly #issuer: string
  readonly #freshMs: number
  #uri: string | undefined
  #keys: Keys | undefined
  #fetchedAt = -Infinity
  #freshUntil = -Infinity
  #refreshing: Promise<boolean> | undefined
  #isDown = false

  /** @param uri the address of the keys; without it the issuer's metadata names it. */
  constructor(outbound: Outbound, issuer: string, uri: string | undefined, freshMs: number = FRESH_MS) {
    this.#outbound = outbound
    this.#issuer = issuer
    this.#freshMs = freshMs
    this.#uri = uri
  }

  /** Fetches the keys before the first token comes. */
  prefetch(): void {
    void this.#refresh()
  }

  /** The key of a token's signature, in the form of jose. @throws JWKSNoMatchingKey */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    if (!this.#keys && !(await this.#newer())) throw new errors.JWKSNoMatchingKey()
    if (performance.now() > this.#freshUntil) void this.#refresh()
    try {
      return await this.#known(header, token)
    } catch (error) {
      // An unknown key id may be new; but an attacker can invent ids, so the number of fetches is bounded.
      if (!(await this.#newer())) throw error
      return this.#known(header, token)
    }
  }

  // Whether there are newer keys. No request waits for an issuer that failed to answer last time: a fetch in the
  // background finds out when it is back.
  async #newer(): Promise<boolean> {
    const refreshed = this.#refresh()
    return this.#isDown ? false : refreshed
  }

  #known(...args: Parameters<Keys>): ReturnType<Keys> {
    return (this.#keys as Keys)(...args)
  }

  // Whether a fetch brought newer keys.
  #refresh(): Promise<boolean> {
    if (this.#refreshing) return this.#refreshing
    if (performance.now() - this.#fetchedAt < APART_MS) return Promise.resolve(false)
    this.#refreshing = this.#run().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #run(): Promise<boolean> {
    try {
      if (!this.#uri) {
        this.#uri = await this.#discover()
        await sleep(APART_MS)
      }
      this.#keys = createLocalJWKSet((await this.#fetch(this.#uri)) as unknown as JSONWebKeySet)
      this.#freshUntil = performance.now() + this.#freshMs
      this.#isDown = false
      return true
    } catch {
      this.#isDown = true
      // Down, slow, too large or not a JWKS: the known keys stay valid.
      return false
    }
  }

  // RFC 8414 puts the well-known part before the issuer's path, OpenID Connect behind it.
  async #discover(): Promise<string> {
    const { origin, pathname } = new URL(this.#issuer)
    const path = pathname.replace(/\/$/, '')
    const places = [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`
    ]
    for (const place of places) {
      if (place !== places[0]) await sleep(APART_MS)
      const metadata = await this.#fetch(place).catch(() => ({}))
      const { issuer, jwks_uri } = metadata as { issuer?: unknown; jwks_uri?: unknown }
      if (spellingsOf(this.#issuer).includes(issuer as string) && typeof jwks_uri === 'string') return jwks_uri
    }
    throw new Error('the issuer has no metadata')
  }

  async #fetch(uri: string): Promise<object> {
    this.#fetchedAt = performance.now()
    const { status, text } = await this.#outbound.request(uri, {
      headers: { accept: 'application/json' },
      // The next token asks again.
      repetitions: 0,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES
    })
    if (status !== 200) throw new Error('the issuer did not answer')
    return JSON.parse(text)
  }
}
