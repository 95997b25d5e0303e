import type { KeyObject } from 'node:crypto'
import type { BatchedReads, BatchedWrites, CoalescedReads } from '../concurrency/batching.ts'
import type { ChangeContext } from '../http/change-context.ts'
import type { Change, NewRow, One, Resource, Row, Stored, Wire } from './model.ts'
import type { Statements } from './rows/statements.ts'

/** A resource at run time: its compiled declaration and the database with its table. */
export interface ResourceContext extends ChangeContext {
  resource: Resource
  statements: Statements
  cursorKey: KeyObject
  /** The statements that requests share; undefined inside a transaction, and for a resource that opts out. */
  batched: Batched | undefined
}

/** The batched statements that concurrent requests share. */
export interface Batched {
  /** Rows by their id, of any owner. */
  rows: BatchedReads<Stored>
  /** Rows of an include by the key that finds them, of any owner. @param load reads the rows of many keys. */
  included: (path: string, load: LoadRows) => BatchedReads<Row[]>
  /** Pages, by everything that their text depends on. */
  pages: CoalescedReads<ListAnswer>
  /** New rows, by the columns that they have. */
  creates: (columns: string) => BatchedWrites<NewRow, Stored>
  /** Changes a row by its id; gives undefined when the request has to make the change alone. */
  update: (change: Change) => Promise<Stored | undefined> | undefined
  /** Deletes a row by its id; gives false when the request has to delete it alone. */
  remove: (one: One) => Promise<boolean> | false
}

type LoadRows = (keys: string[]) => Promise<Map<string, Row[]>>

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
