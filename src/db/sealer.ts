import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const [NONCE_BYTES, TAG_BYTES] = [12, 16]

/** A key for one purpose, derived from one that all instances share. */
export const deriveKey = (key: Buffer, purpose: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', purpose, 32))

/** Encrypts secrets that are stored to be used again. */
export class Sealer {
  readonly #key: Buffer

  constructor(key: Buffer, purpose: string) {
    this.#key = deriveKey(key, purpose)
  }

  /** Encrypts a secret for one row only. @param place names the row. */
  seal(secret: string, place: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(place))
    const encrypted = [cipher.update(secret, 'utf8'), cipher.final()]
    return Buffer.concat([nonce, cipher.getAuthTag(), ...encrypted]).toString('base64')
  }

  /** Decrypts a secret. @throws when it was altered or belongs to another row. */
  open(sealed: string, place: string): string {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  }
}
