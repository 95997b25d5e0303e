import { type Blame, GatheredReads, GatheredWrites, SharedReads } from '../db/batch.ts'
import { findPgError } from '../db/errors.ts'
import type { Columns } from './batch/sql.ts'
import type { ResourceContext, Row } from './context.ts'
import { type Change, canShare, removeTogether, updateTogether, waitingColumns } from './gathered-changes.ts'
import type { ListAnswer } from './operations/list.ts'
import type { One } from './operations/one.ts'
import { Statements } from './statements.ts'
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
  /** Changes a row by its id; undefined where its caller has to make the change alone. */
  update: (change: Change) => Promise<Stored | undefined> | undefined
  /** Deletes by id; false where its caller has to do it alone. */
  remove: (one: One) => Promise<boolean> | false
}

type LoadRows = (keys: string[]) => Promise<Map<string, Row[]>>

// A page with an include is one statement, however long, so these have no small bound.
const INCLUDES = { most: 10_000, inFlight: 4 }
const READS = { most: MOST_KEYS, inFlight: 4 }
const WRITES = { most: 64, inFlight: 2 }
const MOST_CHANGES = 100

/** Starts to gather for a resource. */
export function gatherOf(context: ResourceContext): Gathered {
  const creates = new Map<string, GatheredWrites<Columns, Stored>>()
  const includes = new Map<string, GatheredReads<Row[]>>()
  // There are as many shapes as choices of fields that meet: in places of their own they take none from what is read.
  const changing = { ...context, statements: new Statements(MOST_CHANGES) }
  const updates = new GatheredWrites<Change, Stored | undefined>(
    (some) => updateTogether(changing, some),
    blameOf,
    WRITES
  )
  const removes = new GatheredWrites<One, boolean>((ones) => removeTogether(changing, ones), blameOf, WRITES)
  const waiting = waitingColumns(context.resource)
  const mayWait = ({ values }: Change) => Object.keys(values).some((name) => waiting.has(name))
  return {
    rows: new GatheredReads((ids) => readStored(context, ids), READS),
    included: (path, load) => kept(includes, path, () => new GatheredReads(load, INCLUDES)),
    pages: new SharedReads(),
    creates: (columns) =>
      kept(creates, columns, () => new GatheredWrites((rows) => insertStored(context, rows), blameOf, WRITES)),
    update: (change) => (canShare(change.one) && !mayWait(change) ? updates.add(change) : undefined),
    remove: (one) => canShare(one) && removes.add(one)
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

/**
 * What an error of a gathered write may be due to. Class 22 is a value, class 23 a constraint, class P0 what a trigger raises.
 * Whatever else PostgreSQL goes on after, such as that the statement took too long, says that it undid the statement.
 */
export function blameOf(error: unknown): Blame {
  const found = findPgError(error)
  if (/^(2[23]|P0)/.test(String(found?.code))) return 'item'
  return found?.severity === 'ERROR' ? 'statement' : 'unknown'
}
