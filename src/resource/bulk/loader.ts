import type { Database } from '#src/db/database.ts'
import type { Line } from '../formats/lines.ts'
import type { Resource } from '../model.ts'
import { MAX_ITEMS } from './bulk.ts'
import { failed, type Outcome } from './outcome.ts'
import type { Prepare, Sent } from './prepare.ts'
import type { Report } from './report.ts'
import { settle, type Write } from './settle.ts'

// A batch of few large rows is sent early, so that the memory stays flat whatever a row weighs.
const MAX_BYTES = 2 * 1_048_576

/**
 * Writes a batch together with something else: gives `write` the database to use. No line is taken meanwhile, so the
 * report then is about the lines up to `line` and no other.
 */
export type Commit = (write: (db: Database) => Promise<void>, line: number) => Promise<void>

interface Load {
  resource: Resource
  db: Database
  report: Report
  prepare: Prepare<Sent>
  write: Write<Sent>
  /** The value that no two rows of a batch may share; undefined when all may be alike. */
  keyOf: ((value: Sent) => string) | undefined
  commit?: Commit
}

/** Collects lines into batches and writes them: one batch is written while the next is collected. */
export class Loader {
  readonly #load: Load
  #rows: { line: number; value: Sent }[] = []
  #seen = new Set<string>()
  #bytes = 0
  #line = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(load: Load) {
    this.#load = load
  }

  /** Takes a line. Waits while a batch is full and the one before it is not written yet. */
  async add(line: Line): Promise<void> {
    const prepared = 'body' in line ? await this.#load.prepare(line.body) : line
    if ('error' in prepared) {
      this.#line = line.line
      return this.#load.report.add(line.line, failed(prepared.error))
    }
    const { value } = prepared
    const key = this.#load.keyOf?.(value)
    const isRepeated = key !== undefined && this.#seen.has(key)
    if (isRepeated || this.#rows.length === MAX_ITEMS || this.#bytes + line.bytes > MAX_BYTES) await this.#flush()
    if (key !== undefined) this.#seen.add(key)
    this.#rows.push({ line: line.line, value })
    this.#bytes += line.bytes
    this.#line = line.line
  }

  /** Writes what is left, and waits for all. */
  async end(): Promise<void> {
    await this.#flush()
    await this.#writing
  }

  /** Settles when nothing is under way, however it ended. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#writing])
  }

  async #flush(): Promise<void> {
    const rows = this.#rows
    this.#rows = []
    this.#seen = new Set()
    this.#bytes = 0
    await this.#writing
    this.#writing = this.#write(rows)
    // The batch is awaited before the next one. Until then a failure must not count as an unhandled rejection.
    this.#writing.catch(() => {})
    if (this.#load.commit) await this.#writing
  }

  async #write(rows: { line: number; value: Sent }[]): Promise<void> {
    const { resource, report, write, commit, db } = this.#load
    const writeOn = async (db: Database) => {
      const values = rows.map(({ value }) => value)
      const outcomes = await settle({ resource, db }, values, write)
      for (const [index, { line }] of rows.entries()) report.add(line, outcomes[index] as Outcome)
    }
    await (commit ? commit(writeOn, this.#line) : writeOn(db))
  }
}
