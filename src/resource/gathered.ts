import { GatheredReads, GatheredWrites, SharedReads } from '../db/batch.ts'
import { findPgError } from '../db/errors.ts'
import type { Columns } from './batch/sql.ts'
import type { ResourceContext, Row } from './context.ts'
import { type Change, removeTogether, updateTogether } from './gathered-changes.ts'
import type { ListAnswer } from './operations/list.ts'
import type { One } from './operations/one.ts'
import { insertStored, MOST_KEYS, readStored, type Stored } from './stored.ts'

/** What requests that arrive together share. */
export interface Gathered {
  /** Rows by their id, anybody's. */
  rows: GatheredReads<Stored>
  /** Rows of an include by what they are found by, anybody's. @param load reads those of many keys. */
  included: (path: string, load: LoadRows) => GatheredReads<Row[]>
  /** Pages, by everything that their text depends on. */
  pages: SharedReads<ListAnswer>
  /** New rows, by the columns that they have. */
  creates: (columns: string) => GatheredWrites<Columns, Stored>
  /** Changes of rows by their id; undefined of one that its caller has to make alone. */
  updates: GatheredWrites<Change, Stored | undefined>
  /** Deletes by id; false of one that its caller has to make alone. */
  removes: GatheredWrites<One, boolean>
}

type LoadRows = (keys: string[]) => Promise<Map<string, Row[]>>

// A page with an include is one statement, however long, so these have no small bound.
const INCLUDES = { most: 10_000, inFlight: 4 }
const READS = { most: MOST_KEYS, inFlight: 4 }
const WRITES = { most: 64, inFlight: 2 }

/** Starts to gather for a resource. */
export function gatherOf(context: ResourceContext): Gathered {
  const creates = new Map<string, GatheredWrites<Columns, Stored>>()
  const includes = new Map<string, GatheredReads<Row[]>>()
  return {
    rows: new GatheredReads((ids) => readStored(context, ids), READS),
    included: (path, load) => kept(includes, path, () => new GatheredReads(load, INCLUDES)),
    pages: new SharedReads(),
    creates: (columns) =>
      kept(creates, columns, () => new GatheredWrites((rows) => insertStored(context, rows), isRowFault, WRITES)),
    updates: new GatheredWrites((changes) => updateTogether(context, changes), isRowFault, WRITES),
    removes: new GatheredWrites((ones) => removeTogether(context, ones), isRowFault, WRITES)
  }
}

function kept<V>(all: Map<string, V>, key: string, make: () => V): V {
  let one = all.get(key)
  if (!one) {
    one = make()
    all.set(key, one)
  }
  return one
}

// Class 22 is a value, class 23 a constraint, class P0 what a trigger raises.
const isRowFault = (error: unknown) => /^(2[23]|P0)/.test(String(findPgError(error)?.code))
