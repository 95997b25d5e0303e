import type { Database } from '../db/database.ts'

/** Where a change happens. */
export interface ChangeContext {
  db: Database
  /** What is to be done after a change, before it is answered. */
  changed?: (() => Promise<unknown>) | undefined
}
