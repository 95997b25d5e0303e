import type { KeyObject } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Database, Transaction } from '../db/open.ts'
import { type Gathered, gatherOf } from './gathered.ts'
import type { Resource } from './resource.ts'
import { Statements } from './statements.ts'

/** A row as it was selected: the wire's fields, and under `@…` names what only the server needs. */
export type Row = Record<string, unknown> & { id: string; '@version': number; '@key'?: unknown }

/** Where a change happens. */
export interface ChangeContext {
  db: Database
  /** What is to be done after a change, before it is answered. */
  changed?: (() => Promise<unknown>) | undefined
}

/** A resource at work: its declaration and the database that it lives in. */
export interface ResourceContext extends ChangeContext {
  resource: Resource
  statements: Statements
  cursorKey: KeyObject
  /** What requests share with each other; not there inside a transaction, and where a resource wants none of it. */
  gathered: Gathered | undefined
}

/** Puts a resource to work on an application's database, or on its replicas. */
export function makeContext(app: FastifyInstance, resource: Resource, db: Database = app.db): ResourceContext {
  const { cursorKey, gathers } = app
  const { changed, gather } = resource.declaration
  const context = {
    resource,
    db,
    cursorKey,
    statements: new Statements(),
    gathered: undefined,
    ...(changed && { changed: () => changed(app) })
  }
  if (!gathers || gather === false) return context
  return { ...context, gathered: gatherOf(context) }
}

/** The same inside a transaction, with statements of its own: prepared ones belong to a connection's session. */
export function inTransaction<C extends ChangeContext>(context: C, tx: Transaction): C {
  return { ...context, db: tx, statements: new Statements(), gathered: undefined }
}
