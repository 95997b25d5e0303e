import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { fromBase62, toBase62 } from './base62.ts'

// 22 digits hold the 128 bits of a UUID, 43 the 256 bits of a secret, 6 the 32 bits of a CRC.
const SHAPE = /^tn_(live|test)_([0-9A-Za-z]{22})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/

const KEY_START = 'tn_'

/** Whether a credential is an API key, by how it starts. */
export const isKeyText = (credential: string): boolean => credential.startsWith(KEY_START)

/** Whether a key is for real use or for tests. */
export type KeyKind = 'live' | 'test'

/** An API key as it is shown once: `tn_<live|test>_<id>_<secret><checksum>`, in base 62. */
export function makeKey(kind: KeyKind, id: string): string {
  const secret = toBase62(randomBytes(32).toString('hex'), 43)
  const text = `${prefixOf(kind, id)}_${secret}`
  return text + checksum(text)
}

/** The part of a key that may be shown: it identifies the key. */
export function prefixOf(kind: KeyKind, id: string): string {
  return `${KEY_START}${kind}_${toBase62(id.replaceAll('-', ''), 22)}`
}

/** The id in a key; undefined for no key. The checksum refuses a mistyped one without the database. */
export function idOfKey(key: string): string | undefined {
  const [, , id, , check] = SHAPE.exec(key) ?? []
  if (!id || check !== checksum(key.slice(0, -6))) return undefined
  return fromBase62(id, 32)?.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** The stored hash of a key. A fast hash is enough: a secret of 256 bits cannot be guessed. */
export const hashKey = (key: string): string => hash('sha256', key, 'base64url')

/** The name of a secret, which ends the tokens that it was exchanged for. 96 bits, which do not reveal the secret. */
export const secretIdOf = (keyHash: string): string => keyHash.slice(0, 16)

const checksum = (text: string) => toBase62(crc32(text).toString(16), 6)
