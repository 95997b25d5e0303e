import type { PGlite } from '@electric-sql/pglite'
import type { Sql } from 'postgres'

type Statement = { values(): Promise<unknown> } & PromiseLike<unknown>

/** The part of a postgres.js client, or of a transaction of one, that drizzle uses. */
interface Postgres {
  unsafe(text: string, ...rest: unknown[]): Statement
  begin(work: (tx: Postgres) => unknown): Promise<unknown>
  savepoint(work: (tx: Postgres) => unknown): Promise<unknown>
}

/** The same of PGlite. */
interface Embedded {
  query(text: string, ...rest: unknown[]): Promise<unknown>
  transaction(work: (tx: Embedded) => unknown): Promise<unknown>
}

type OnWrite = (tables: Iterable<string>) => void

/**
 * Tells which tables this process wrote before the writing request continues; the notification of the database comes a
 * moment later. The tables are read from the statements' texts. Writes of triggers and cascades are told only by the
 * notification.
 */
export class WriteTracker {
  readonly #callbacks: OnWrite[] = []

  /** Calls back with each write, when it is committed, or may be. */
  onWrite(callback: OnWrite): void {
    this.#callbacks.push(callback)
  }

  /** Wraps a client, so that its writes are told. */
  wrap(client: Sql): Sql {
    const { unsafe, begin } = client as unknown as Postgres
    const noting: Pick<Postgres, 'unsafe' | 'begin'> = {
      unsafe: (text, ...rest) => {
        const tables = writtenTables(text)
        const statement = unsafe(text, ...rest)
        if (tables.length === 0) return statement
        const told = <T>(answer: PromiseLike<T>) => this.#afterwards(answer, tables)
        return {
          values: () => told(statement.values()),
          // biome-ignore lint/suspicious/noThenProperty: drizzle awaits the statement itself when it returns no rows
          then: (done, failed) => told(statement).then(done, failed)
        }
      },
      begin: (work) => {
        const tables = new Set<string>()
        return this.#afterwards(
          begin((tx) => work(noteInTransaction(tx, tables))),
          tables
        )
      }
    }
    return { ...client, ...noting } as unknown as Sql
  }

  /** The same for the embedded database. */
  noteOnEmbedded(client: PGlite): PGlite {
    const { query, transaction } = client as unknown as Embedded
    const noting: Embedded = {
      query: (text, ...rest) => {
        const tables = writtenTables(text)
        const answer = query(text, ...rest)
        return tables.length === 0 ? answer : this.#afterwards(answer, tables)
      },
      transaction: (work) => {
        const tables = new Set<string>()
        const note = (tx: Embedded) => ({
          query(text: string, ...rest: unknown[]) {
            for (const table of writtenTables(text)) tables.add(table)
            return tx.query(text, ...rest)
          }
        })
        return this.#afterwards(
          transaction((tx) => work(note(tx) as Embedded)),
          tables
        )
      }
    }
    return noting as unknown as PGlite
  }

  // Also after a failure: the answer of a commit can be lost although the commit succeeded.
  async #afterwards<T>(answer: PromiseLike<T>, tables: Iterable<string>): Promise<T> {
    try {
      return await answer
    } finally {
      for (const callback of this.#callbacks) callback(tables)
    }
  }
}

function noteInTransaction(tx: Postgres, tables: Set<string>): Postgres {
  return {
    unsafe(text: string, ...rest: unknown[]) {
      for (const table of writtenTables(text)) tables.add(table)
      // biome-ignore lint/plugin: drizzle's own statements pass through here, already built and with bound parameters
      return tx.unsafe(text, ...rest)
    },
    savepoint: (work) => tx.savepoint((inner) => work(noteInTransaction(inner, tables)))
  } as Postgres
}

const NONE: string[] = []
const WRITES =
  /\b(?:insert\s+into|update|delete\s+from|truncate(?:\s+table)?|merge\s+into)\s+(?:only\s+)?(?:"?\w+"?\.)?"?(\w+)/gi

/** The tables that a statement writes. A word of it that only looks like one (`do update set`) does no harm. */
export function writtenTables(text: string): string[] {
  if (text.startsWith('select')) return NONE
  return [...text.matchAll(WRITES)].map((match) => match[1] as string)
}
