import { sql } from 'drizzle-orm'
import { bigint, integer, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/** How far a job has come, as its handler reported it. The queue itself has no place for it. */
export const jobProgress = pgTable('job_progress', {
  jobId: uuid('job_id').primaryKey(),
  done: bigint('done', { mode: 'number' }).notNull(),
  total: bigint('total', { mode: 'number' }),
  /** Where the next attempt goes on, in the handler's own terms. */
  checkpoint: jsonb('checkpoint'),
  updatedAt: timestamp('updated_at').notNull().default(sql`now()`)
})

/**
 * The files of jobs: what an import reads and what an export wrote, in parts. They are in the database because another
 * process, or another machine, may run the job or be asked for its result.
 */
export const jobFiles = pgTable(
  'job_files',
  {
    jobId: uuid('job_id').notNull(),
    kind: text('kind', { enum: ['input', 'result'] }).notNull(),
    part: integer('part').notNull(),
    /** base64: both drivers read and write text in the same way. */
    content: text('content').notNull()
  },
  (table) => [primaryKey({ columns: [table.jobId, table.kind, table.part] })]
)
