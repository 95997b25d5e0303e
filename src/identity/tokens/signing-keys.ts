import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { desc, gt, isNull, or, sql } from 'drizzle-orm'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { lockUntilCommit } from '#src/db/advisory-locks.ts'
import type { Database } from '#src/db/database.ts'
import { signingKeys } from '../tables/signing-keys.ts'

/** A key pair under its name. */
interface SigningKey {
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
  /** Both keys as PEM (PKCS #8 and SPKI), the form for @fastify/jwt. */
  privatePem: string
  publicPem: string
  /** The public key, in the form of the JWKS. */
  jwk: JWK
  /** When it starts to sign, in milliseconds since 1970. */
  activeAt: number
}

const READ_AGAIN_MS = 1000

/** The keys that sign and verify access tokens: the configured ones, or else those that all instances share. */
export class KeyRing {
  readonly #read: () => Promise<SigningKey[]>
  #keys: SigningKey[] = []
  #byKid = new Map<string, SigningKey>()
  #readAt = -Infinity
  #reading: Promise<void> | undefined

  constructor(read: () => Promise<SigningKey[]>) {
    this.#read = read
  }

  /** The current signing key: the newest active one. */
  get current(): SigningKey {
    const now = Date.now()
    /* c8 ignore next -- a clock that went back behind the first key's start */
    return (this.#keys.find((key) => key.activeAt <= now) ?? this.#keys[0]) as SigningKey
  }

  /** Every valid key, for the JWKS. */
  get jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  /** The key with an id. An unknown id is looked up in the database, at most once a second. */
  async find(kid: string): Promise<SigningKey | undefined> {
    if (!this.#byKid.has(kid) && performance.now() - this.#readAt > READ_AGAIN_MS) {
      // Without the database the known keys stay valid.
      await this.refresh().catch(() => {})
    }
    return this.#byKid.get(kid)
  }

  /** Reads the keys again. */
  refresh(): Promise<void> {
    this.#readAt = performance.now()
    this.#reading ??= this.#run().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #run(): Promise<void> {
    this.#keys = await this.#read()
    this.#byKid = new Map(this.#keys.map((key) => [key.kid, key]))
  }
}

/**
 * The keys of a configuration: one or several private keys in PEM. The first signs, the others only verify, so that a
 * key can be replaced without ending the tokens that it signed.
 * @throws when one is not an Ed25519 key.
 */
export async function configuredKeys(pems: string): Promise<SigningKey[]> {
  const blocks = pems.split(/(?=-----BEGIN)/).filter((block) => block.trim() !== '')
  return Promise.all(blocks.map((pem) => signingKeyOf(pem, 0)))
}

/** The unexpired keys in the database, the newest first. The first instance makes one. */
export async function sharedKeys(db: Database): Promise<SigningKey[]> {
  const found = await readKeys(db)
  if (found.length > 0) return found
  return inTurn(db, async (tx) => {
    if ((await readKeys(tx)).length === 0) await insertKey(tx, 0)
    return readKeys(tx)
  })
}

/** The times of a key's replacement. */
export interface Rotation {
  /** The age at which a signing key is replaced. */
  afterSeconds: number
  /** How long a new key is published before it signs, so that every instance and cached JWKS has it by then. */
  headStartSeconds: number
  /** The life of the last token that the old key signed. */
  tokenSeconds: number
}

/** Replaces the signing key when it is old enough; once, when several instances try. @returns whether it did. */
export function rotateKeys(db: Database, { afterSeconds, headStartSeconds, tokenSeconds }: Rotation): Promise<boolean> {
  return inTurn(db, async (tx) => {
    const [newest] = await readKeys(tx)
    if (newest && newest.activeAt > Date.now() - afterSeconds * 1000) return false
    await tx
      .update(signingKeys)
      .set({ expiresAt: inSeconds(headStartSeconds + tokenSeconds) })
      .where(isNull(signingKeys.expiresAt))
    await insertKey(tx, headStartSeconds)
    return true
  })
}

const inSeconds = (seconds: number) => sql<string>`now() + make_interval(secs => ${seconds})`

function inTurn<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await lockUntilCommit(tx, 'signingKeys')
    return work(tx)
  })
}

async function insertKey(db: Database, headStartSeconds: number): Promise<void> {
  const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const { kid } = await signingKeyOf(privateKey, 0)
  await db.insert(signingKeys).values({ kid, privateKey, activeAt: inSeconds(headStartSeconds) })
}

async function readKeys(db: Database): Promise<SigningKey[]> {
  const { privateKey, activeAt, expiresAt } = signingKeys
  const rows = await db
    .select({ privateKey, activeAt })
    .from(signingKeys)
    .where(or(isNull(expiresAt), gt(expiresAt, sql`now()`)))
    .orderBy(desc(activeAt))
  return Promise.all(rows.map((row) => signingKeyOf(row.privateKey, Date.parse(row.activeAt))))
}

async function signingKeyOf(pem: string, activeAt: number): Promise<SigningKey> {
  const privateKey = createPrivateKey(pem)
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('the signing key is not an Ed25519 key')
  const publicKey = createPublicKey(privateKey)
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint(jwk)
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const shown: JWK = { ...jwk, kid, alg: 'EdDSA', use: 'sig' }
  return { kid, privateKey, publicKey, privatePem, publicPem, jwk: shown, activeAt }
}
