import { sql } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/** The Ed25519 keys for access tokens: the newest active one signs, and all unexpired ones verify. */
export const signingKeys = pgTable('signing_keys', {
  /** The thumbprint of the public key (RFC 7638). */
  kid: text('kid').primaryKey(),
  /** PKCS #8, PEM. */
  privateKey: text('private_key').notNull(),
  createdAt: timestamp('created_at').notNull().default(sql`now()`),
  /** Published before it signs, so that every instance and every cache of the JWKS has it by then. */
  activeAt: timestamp('active_at').notNull(),
  expiresAt: timestamp('expires_at')
})
