import { sql } from 'drizzle-orm'
import { boolean, index, pgTable, text } from 'drizzle-orm/pg-core'
import { resourceColumns } from '#src/db/columns.ts'
import { roles } from './roles.ts'

export const users = pgTable(
  'users',
  {
    ...resourceColumns(),
    /** Stored in lower case, so that addresses that look the same to a person are equal. */
    email: text('email').notNull().unique(),
    /** The address that was last confirmed by a message. Another `email` is not confirmed. */
    verifiedEmail: text('verified_email'),
    emailVerified: boolean('email_verified')
      .notNull()
      .generatedAlwaysAs(sql`verified_email is not distinct from email`),
    name: text('name').notNull(),
    passwordHash: text('password_hash').notNull(),
    role: text('role')
      .notNull()
      .references(() => roles.name),
    active: boolean('active').notNull()
  },
  (table) => [
    index('users_name_idx').on(table.name, table.id),
    index('users_role_idx').on(table.role, table.id),
    index('users_active_idx').on(table.active, table.id),
    index('users_created_at_idx').on(table.createdAt, table.id)
  ]
)
