import { createCipheriv, createDecipheriv, createHmac, type Hmac, hkdfSync, randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { validationFailed } from '#src/errors.ts'
import type { StoredKey } from './store.ts'

/**
 * A request's `Idempotency-Key` and its caller. Everything about it is derived from the text of the key, and only a
 * hash of that text is stored: answers carry secrets and requests carry passwords, and a reader of the database must
 * find neither.
 */
export interface KeyUse {
  stored: StoredKey
  /** A hash of a request, begun, under a secret of its own: a fast hash of a password alone could be guessed. */
  fingerprint: () => Hmac
  seal: (text: string) => string
  open: (encrypted: string) => string
}

/**
 * Reads the key of a request.
 * @param content gives the text of the body that tells one request from another, where it is known already. In a
 * request without a credential this text identifies the caller: another body is another key, and never gets another
 * client's answer.
 * @throws ApiError VALIDATION_FAILED for a key that is empty, too long or not ASCII.
 */
export function keyUseOf({ headers, principal, method, url }: FastifyRequest, content: () => Iterable<string>): KeyUse {
  const text = headers['idempotency-key'] as string
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) {
    const message = 'must be 1 to 255 visible ASCII characters'
    throw validationFailed([{ in: 'headers', path: '/idempotency-key', code: 'pattern', message }])
  }
  const derive = (salt: string, purpose: string) => Buffer.from(hkdfSync('sha256', text, salt, purpose, 32))
  const nobody = () => {
    const hash = createHmac('sha256', derive('', 'caller')).update(`${method} ${url}\n`)
    for (const piece of content()) hash.update(piece)
    return hash.digest('base64url')
  }
  // A key may do less than its user, so it does not get the answers that its user got.
  const caller = principal
    ? principal.keyId
      ? `key:${principal.keyId}`
      : `user:${principal.userId}`
    : `body:${nobody()}`
  return {
    stored: { caller, key: derive(caller, 'key').toString('base64url') },
    fingerprint: () => createHmac('sha256', derive(caller, 'fingerprint')).update(`${method} ${url}\n`),
    seal: (plain) => seal(derive(caller, 'answer'), plain),
    open: (encrypted) => open(derive(caller, 'answer'), encrypted)
  }
}

const CIPHER = 'aes-256-gcm'
const [NONCE_BYTES, TAG_BYTES] = [12, 16]

function seal(key: Buffer, text: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce)
  const encrypted = [cipher.update(text, 'utf8'), cipher.final()]
  return Buffer.concat([nonce, cipher.getAuthTag(), ...encrypted]).toString('base64')
}

function open(key: Buffer, encrypted: string): string {
  const bytes = Buffer.from(encrypted, 'base64')
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
}
