import type { Database } from '#src/db/database.ts'
import { JOBS_PATH } from '#src/http/job.ts'
import type { Wire } from '../model.ts'
import type { OperationJob } from './operation.ts'

/** Writes rows as text. */
export interface Writer {
  /** What stands before the rows; empty where nothing does. */
  header: string
  rows: (rows: Wire[]) => string
}

/** An export that is about to be read. */
export interface OpenExport {
  /** The media type. */
  type: string
  batches: AsyncIterable<Wire[]>
  write: Writer
}

/** The text of an export, in pieces. @param onRows told the number of rows of each piece. */
export async function* texts({ batches, write }: OpenExport, onRows?: (count: number) => void) {
  if (write.header) yield write.header
  for await (const rows of batches) {
    yield write.rows(rows)
    onRows?.(rows.length)
  }
}

/**
 * Does an export as a job: it writes a file. A further attempt begins anew. Each part is written with a look that the attempt
 * is the current one: one that was given up for dead, and goes on after all, writes nothing between the parts of the next.
 */
export async function exportAsJob(db: Database, job: OperationJob, opened: OpenExport): Promise<object> {
  const { context, files } = job
  let rows = 0
  const content = texts(opened, (count) => {
    rows += count
  })
  const bytes = await files.write(context.id, 'result', content, (step) =>
    db.transaction(async (tx) => {
      await context.progress(rows, null, { tx })
      await step(tx)
    })
  )
  await context.progress(rows, rows)
  return { url: `${JOBS_PATH}/${context.id}/result`, type: opened.type, rows, bytes }
}
