import { sql } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { timestamp } from './columns.ts'

/** What all instances must share and nobody may see: the signing key, the key of the cursors. Made once, at first use. */
export const secrets = pgTable('secrets', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
  createdAt: timestamp('created_at').notNull().default(sql`now()`)
})
