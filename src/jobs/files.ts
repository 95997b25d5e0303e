import { and, eq } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import { jobFiles } from './table.ts'

type FileKind = 'input' | 'result'
type Store = (step: (db: Database) => Promise<unknown>) => Promise<unknown>
type FileContent = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

const PART_BYTES = 262_144
/** The longest file, 1 GiB: it is in the database. */
const MAX_FILE_BYTES = 1_073_741_824

/** The files of jobs, in the database: any process may run the job, or be asked for its result. */
export class JobFiles {
  readonly #db: Database
  readonly #maxBytes: number

  constructor(db: Database, maxBytes = MAX_FILE_BYTES) {
    this.#db = db
    this.#maxBytes = maxBytes
  }

  /**
   * Writes a file, in place of one that is there, part by part as it comes.
   * @param store runs each step of it on a database: a transaction, where the file belongs to one.
   * @returns its length in bytes. @throws ApiError PAYLOAD_TOO_LARGE beyond `maxBytes`.
   */
  async write(jobId: string, kind: FileKind, content: FileContent, store: Store = (step) => step(this.#db)) {
    await store((db) => this.remove(jobId, kind, db))
    let [part, bytes, waiting] = [0, 0, [] as Buffer[]]
    let size = 0
    const flush = async () => {
      const content = Buffer.concat(waiting).toString('base64')
      waiting = []
      size = 0
      await store((db) => db.insert(jobFiles).values({ jobId, kind, part, content }))
      part += 1
    }
    for await (const chunk of content) {
      const piece = Buffer.from(chunk as Uint8Array)
      bytes += piece.length
      if (bytes > this.#maxBytes)
        throw new ApiError('PAYLOAD_TOO_LARGE', `A job takes ${this.#maxBytes} bytes at most.`)
      waiting.push(piece)
      size += piece.length
      if (size >= PART_BYTES) await flush()
    }
    if (size > 0) await flush()
    return bytes
  }

  /** The parts of a file, in order; none when there is no file. */
  async *read(jobId: string, kind: FileKind): AsyncGenerator<Buffer, void> {
    const readPart = async (part: number) => {
      const isPart = and(eq(jobFiles.jobId, jobId), eq(jobFiles.kind, kind), eq(jobFiles.part, part))
      const [found] = await this.#db.select({ content: jobFiles.content }).from(jobFiles).where(isPart)
      return found && Buffer.from(found.content, 'base64')
    }
    let [part, content] = [0, await readPart(0)]
    while (content) {
      yield content
      part += 1
      content = await readPart(part)
    }
  }

  /** Deletes a file. */
  async remove(jobId: string, kind: FileKind, db = this.#db): Promise<void> {
    await db.delete(jobFiles).where(and(eq(jobFiles.jobId, jobId), eq(jobFiles.kind, kind)))
  }
}
