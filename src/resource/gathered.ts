import { GatheredReads, GatheredWrites, SharedReads } from '../db/batch.ts'
import { findPgError } from '../db/errors.ts'
import type { Columns } from './batch/sql.ts'
import type { ResourceContext } from './context.ts'
import type { ListAnswer } from './operations/list.ts'
import { insertStored, MOST_KEYS, readStored, type Stored } from './stored.ts'

/** What requests that arrive together share. */
export interface Gathered {
  /** Rows by their id, anybody's. */
  rows: GatheredReads<Stored>
  /** Pages, by everything that their text depends on. */
  pages: SharedReads<ListAnswer>
  /** New rows, by the columns that they have. */
  creates: (columns: string) => GatheredWrites<Columns, Stored>
}

const READS = { most: MOST_KEYS, inFlight: 4 }
const WRITES = { most: 64, inFlight: 2 }

/** Starts to gather for a resource. */
export function gatherOf(context: ResourceContext): Gathered {
  const creates = new Map<string, GatheredWrites<Columns, Stored>>()
  return {
    rows: new GatheredReads((ids) => readStored(context, ids), READS),
    pages: new SharedReads(),
    creates(columns) {
      let one = creates.get(columns)
      if (!one) {
        one = new GatheredWrites((rows) => insertStored(context, rows), isRowFault, WRITES)
        creates.set(columns, one)
      }
      return one
    }
  }
}

// Class 22 is a value, class 23 a constraint.
const isRowFault = (error: unknown) => /^2[23]/.test(String(findPgError(error)?.code))
