import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'

const START = 'tnr_'
const [ID_BYTES, SECRET_BYTES, TAG_BYTES] = [16, 32, 16]

/** The parts of a refresh token of this server. */
export interface RefreshToken {
  sessionId: string
  secret: Buffer
  text: string
}

/**
 * Makes and reads refresh tokens: the id of the login, a secret, and a tag that only this server can make. The tag
 * tells a used token from an invented one, so that an attacker cannot end the login of another user.
 */
export class RefreshTokens {
  readonly #key: Buffer

  constructor(key: Buffer) {
    this.#key = key
  }

  /** The first token of a login. */
  first(sessionId: string): RefreshToken {
    return this.#write(sessionId, randomBytes(SECRET_BYTES))
  }

  /**
   * The next token: always the same one, so that a repeated request gets it again without storing it. A reader of the
   * database has the key but not the secret, and so cannot make the successor.
   */
  next({ sessionId, secret }: RefreshToken): RefreshToken {
    return this.#write(sessionId, this.#mac('successor', sessionId, secret))
  }

  /** Takes a token apart; undefined when it is not from this server. */
  read(text: string): RefreshToken | undefined {
    const bytes = text.startsWith(START) ? Buffer.from(text.slice(START.length), 'base64url') : Buffer.alloc(0)
    if (bytes.length !== ID_BYTES + SECRET_BYTES + TAG_BYTES) return undefined
    const hex = bytes.toString('hex', 0, ID_BYTES)
    const sessionId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    const secret = bytes.subarray(ID_BYTES, ID_BYTES + SECRET_BYTES)
    const made = this.#write(sessionId, secret)
    const isOurs = made.text.length === text.length && timingSafeEqual(Buffer.from(made.text), Buffer.from(text))
    return isOurs ? made : undefined
  }

  #write(sessionId: string, secret: Buffer): RefreshToken {
    const id = Buffer.from(sessionId.replaceAll('-', ''), 'hex')
    const tag = this.#mac('tag', sessionId, secret).subarray(0, TAG_BYTES)
    return { sessionId, secret, text: START + Buffer.concat([id, secret, tag]).toString('base64url') }
  }

  #mac(purpose: string, sessionId: string, secret: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(`${purpose} ${sessionId} `).update(secret).digest()
  }
}

/** The stored hash of a refresh token. */
export const hashRefreshToken = ({ text }: RefreshToken): string => hash('sha256', text, 'base64url')
