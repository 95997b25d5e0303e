import type { Database, Transaction } from '../db/database.ts'

/** The context in which a change runs. */
export interface ChangeContext {
  db: Database
  /** The work after a change, before it is answered. */
  changed?: (() => Promise<unknown>) | undefined
  /** What a context inside a transaction has instead: prepared statements, say, belong to a connection's session. */
  perTransaction?: () => object
}

/** The same context inside a transaction. */
export function inTransaction<C extends ChangeContext>(context: C, tx: Transaction): C {
  return { ...context, db: tx, ...context.perTransaction?.() }
}
