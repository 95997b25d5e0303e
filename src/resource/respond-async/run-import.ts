import type { Readable } from 'node:stream'
import type { Database } from '#src/db/database.ts'
import type { Asked } from '../asked.ts'
import type { Commit, Loader } from '../bulk/loader.ts'
import { Report, type SavedReport } from '../bulk/report.ts'
import { inputOf, type OperationJob } from './operation.ts'

interface Import {
  loaderOf: (asked: Asked, db: Database, report: Report, commit: Commit) => Loader
  /** Gives the lines of a body to a loader, those after `from`. */
  load: (asked: Asked, body: Readable, loader: Loader, from: number) => Promise<void>
}

/** The line up to which all is written, and what was counted until there. */
interface Checkpoint {
  line: number
  report: SavedReport
}

/**
 * Does an import as a job. How far it came is written in the transaction of each batch, so a further attempt goes on
 * there, and no row is written twice.
 */
export async function importAsJob(db: Database, job: OperationJob, { loaderOf, load }: Import): Promise<void> {
  const { asked, context, files, lines } = job
  const { line: from, report: saved } = (context.checkpoint as Checkpoint | null) ?? { line: 0, report: undefined }
  const report = new Report(saved)
  const loader = loaderOf(asked, db, report, (write, line) =>
    db.transaction(async (tx) => {
      await write(tx)
      await context.progress(line, lines, { tx, checkpoint: { line, report: report.toSaved() } })
    })
  )
  await load(asked, inputOf(job), loader, from)
  await db.transaction(async (tx) => {
    await context.progress(lines as number, lines, { tx })
    await files.remove(context.id, 'input', tx)
    await context.finish(tx, report.toAnswer())
  })
}
