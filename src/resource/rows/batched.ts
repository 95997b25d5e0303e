import type { FastifyInstance } from 'fastify'
import { BatchedReads, BatchedWrites, type Blame, CoalescedReads } from '#src/concurrency/batching.ts'
import type { Database } from '#src/db/database.ts'
import { findPgError } from '#src/db/errors.ts'
import type { Batched, ResourceContext } from '../context.ts'
import type { Change, NewRow, One, Resource, Row, Stored } from '../model.ts'
import { canShare, removeTogether, updateTogether, waitingColumns } from './batched-changes.ts'
import { insertStored, MAX_KEYS, readStored } from './one-statement.ts'
import { Statements } from './statements.ts'

// A page with an include is one statement, however long, so these have no small bound.
const INCLUDES = { most: 10_000, inFlight: 4 }
const READS = { most: MAX_KEYS, inFlight: 4 }
const WRITES = { most: 64, inFlight: 2 }
const MAX_CHANGES = 100
// Room is made for all of them, and a transaction has few.
const FEW = 16

/** Makes the batched reads and writes of a resource. */
function batchedOf(context: ResourceContext): Batched {
  const creates = new Map<string, BatchedWrites<NewRow, Stored>>()
  const includes = new Map<string, BatchedReads<Row[]>>()
  // The shapes of changes are as many as choices of fields: they have a limit of their own, so that reads lose no
  // place.
  const changing = { ...context, statements: new Statements(MAX_CHANGES) }
  const updates = new BatchedWrites<Change, Stored | undefined>(
    (some) => updateTogether(changing, some),
    blameOf,
    WRITES
  )
  const removes = new BatchedWrites<One, boolean>((ones) => removeTogether(changing, ones), blameOf, WRITES)
  const waiting = waitingColumns(context.resource)
  const mayWait = ({ values }: Change) => Object.keys(values).some((name) => waiting.has(name))
  return {
    rows: new BatchedReads((ids) => readStored(context, ids), READS),
    included: (path, load) => kept(includes, path, () => new BatchedReads(load, INCLUDES)),
    pages: new CoalescedReads(),
    creates: (columns) =>
      kept(creates, columns, () => new BatchedWrites((rows) => insertStored(context, rows), blameOf, WRITES)),
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
 * Tells the possible cause of an error of a batched write. Class 22 is a value, 54000 a value that is too long for an
 * index, class 23 a constraint, class P0 an error that a trigger raises. Any other error after which the connection
 * goes on, such as a timeout of the statement, means that PostgreSQL undid the statement.
 */
export function blameOf(error: unknown): Blame {
  const found = findPgError(error)
  if (/^(2[23]|54000|P0)/.test(String(found?.code))) return 'item'
  return found?.severity === 'ERROR' ? 'statement' : 'unknown'
}

/** Makes the context of a resource on an application's database, or on its replicas. */
export function makeContext(app: FastifyInstance, resource: Resource, db: Database = app.db): ResourceContext {
  const { cursorKey, batches } = app
  const { changed, batch } = resource.declaration
  const context = {
    resource,
    db,
    cursorKey,
    statements: new Statements(),
    batched: undefined,
    perTransaction: () => ({ statements: new Statements(FEW), batched: undefined }),
    ...(changed && { changed: () => changed(app) })
  }
  if (!batches || batch === false) return context
  return { ...context, batched: batchedOf(context) }
}
