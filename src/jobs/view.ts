import { integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/** The view of the jobs, as a migration makes it: no `table.ts`, since drizzle-kit would make a table of it. */
export const jobsView = pgTable('jobs', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  state: text('state', { enum: ['queued', 'running', 'done', 'failed', 'cancelled'] }).notNull(),
  progress: jsonb('progress').notNull(),
  result: jsonb('result'),
  error: jsonb('error'),
  attempts: integer('attempts').notNull(),
  ownerId: uuid('owner_id'),
  createdAt: timestamp('created_at').notNull(),
  startedAt: timestamp('started_at'),
  finishedAt: timestamp('finished_at'),
  updatedAt: timestamp('updated_at').notNull(),
  version: integer('version').notNull()
})
