import { sql } from 'drizzle-orm'
import { bigint, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** The authenticator app of a user. It counts from its confirmation on. */
export const secondFactors = pgTable('second_factors', {
  userId: uuid('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  /** The TOTP secret, encrypted. */
  secret: text('secret').notNull(),
  confirmedAt: timestamp('confirmed_at'),
  /** The time step of the last code that was used: no code is taken twice. */
  lastStep: bigint('last_step', { mode: 'number' }),
  createdAt: timestamp('created_at').notNull().default(sql`now()`)
})

/** Codes for who lost the app, each good for one use and then gone. Only a keyed hash is here. */
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
