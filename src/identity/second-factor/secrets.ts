import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { deriveKey, Sealer } from '#src/db/sealer.ts'

const CHALLENGE_SECONDS = 300
const CODES = 10
const CODE_LETTERS = 16
// 32 letters and digits, without the ones that look alike.
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** The values that the second step of a login needs from the first. */
interface Challenge {
  userId: string
  /** The API key of the login's client; null for this API's own client. */
  clientId: string | null
  /** Stands for the hash that the password was compared with. */
  fingerprint: string
}

/** Encrypts, hashes and signs for second factors, each with a key derived from one that all instances share. */
export class SecondFactorSecrets {
  readonly #sealer: Sealer
  readonly #codeKey: Buffer
  readonly #challengeKey: Buffer

  constructor(key: Buffer) {
    this.#sealer = new Sealer(key, 'secret')
    this.#codeKey = deriveKey(key, 'recovery code')
    this.#challengeKey = deriveKey(key, 'challenge')
  }

  /** Encrypts a TOTP secret for one user only. */
  seal(secret: string, userId: string): string {
    return this.#sealer.seal(secret, userId)
  }

  /** Decrypts a secret. @throws when it was altered or belongs to another user. */
  open(sealed: string, userId: string): string {
    return this.#sealer.open(sealed, userId)
  }

  /** Ten new recovery codes of 80 bits: `abcd-efgh-jkmn-pqrs`. */
  newCodes(): string[] {
    return Array.from({ length: CODES }, () => {
      const letters = [...randomBytes(CODE_LETTERS)].map((byte) => ALPHABET[byte % ALPHABET.length])
      return letters.join('').replace(/(.{4})(?=.)/g, '$1-')
    })
  }

  /** The stored hash of a recovery code, for any spelling of it. A keyed hash: 80 bits need no slow one. */
  hashCode(code: string, userId: string): string {
    const typed = code.toLowerCase().replaceAll(/[\s-]/g, '')
    return createHmac('sha256', this.#codeKey).update(`${userId} ${typed}`).digest('base64url')
  }

  /** Stands for a password hash in a challenge, which is not secret. */
  fingerprint(passwordHash: string): string {
    return this.#sign(passwordHash).slice(0, 22)
  }

  /** A signed challenge as text, and its life in seconds. */
  writeChallenge({ userId, clientId, fingerprint }: Challenge): { challenge: string; expiresIn: number } {
    const claims = [userId, clientId, fingerprint, Math.floor(Date.now() / 1000) + CHALLENGE_SECONDS]
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    return { challenge: `tnc_${payload}.${this.#sign(payload)}`, expiresIn: CHALLENGE_SECONDS }
  }

  /** Reads a challenge; undefined when it is not from this server, or has expired. */
  readChallenge(text: string): Challenge | undefined {
    const [, payload = '', signature = ''] = /^tnc_([\w-]+)\.([\w-]+)$/.exec(text) ?? []
    const expected = Buffer.from(this.#sign(payload))
    const given = Buffer.from(signature)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    const [userId, clientId, fingerprint, expiresAt] = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return expiresAt * 1000 > Date.now() ? { userId, clientId, fingerprint } : undefined
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#challengeKey).update(text).digest('base64url')
  }
}
