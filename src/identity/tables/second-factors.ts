import { sql } from 'drizzle-orm'
import { bigint, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** The authenticator app of a user. It counts after its confirmation. */
export const secondFactors = pgTable('second_factors', {
  userId: uuid('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  /** The TOTP secret, encrypted. */
  secret: text('secret').notNull(),
  confirmedAt: timestamp('confirmed_at'),
  /** The time step of the last used code: no code is accepted twice. */
  lastStep: bigint('last_step', { mode: 'number' }),
  createdAt: timestamp('created_at').notNull().default(sql`now()`)
})

/** Codes for users without their app, each for one use and then deleted. Only a keyed hash is stored. */
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => secondFactors.userId, { onDelete: 'cascade' }),
    hash: text('hash').notNull()
  },
  (table) => [primaryKey({ columns: [table.userId, table.hash] })]
)
