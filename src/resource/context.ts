import type { KeyObject } from 'node:crypto'
import type { BatchedReads, BatchedWrites, CoalescedReads } from '../concurrency/batching.ts'
import type { ChangeContext } from '../http/change-context.ts'
import type { Change, Columns, One, Resource, Row, Stored, Wire } from './model.ts'
import type { Statements } from './rows/statements.ts'

/** A resource at work: its declaration and the database that it lives in. */
export interface ResourceContext extends ChangeContext {
  resource: Resource
  statements: Statements
  cursorKey: KeyObject
  /** What requests share with each other; not there inside a transaction, and where a resource wants none of it. */
  batched: Batched | undefined
}

/** What requests that arrive together share. */
export interface Batched {
  /** Rows by their id, of any owner. */
  rows: BatchedReads<Stored>
  /** Rows of an include by the key that finds them, of any owner. @param load reads the rows of many keys. */
  included: (path: string, load: LoadRows) => BatchedReads<Row[]>
  /** Pages, by everything that their text depends on. */
  pages: CoalescedReads<ListAnswer>
  /** New rows, by the columns that they have. */
  creates: (columns: string) => BatchedWrites<Columns, Stored>
  /** Changes a row by its id; undefined where its caller has to make the change alone. */
  update: (change: Change) => Promise<Stored | undefined> | undefined
  /** Deletes by id; false where its caller has to do it alone. */
  remove: (one: One) => Promise<boolean> | false
}

export type LoadRows = (keys: string[]) => Promise<Map<string, Row[]>>

/** One page, and the cursors to its neighbours. */
export interface Page {
  data: Wire[]
  page: { limit: number; next: string | null; previous: string | null; total?: number }
}

/** A page as text, its ETag, and what its `Link` header says. */
export interface ListAnswer {
  body: string
  etag: string
  links: string
}
