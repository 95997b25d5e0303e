import { sql } from 'drizzle-orm'
import type { Transaction } from './database.ts'

/** What all instances on a database take turns at. Each number is used for one thing, and never changes. */
const LOCKS = { migrations: 7_236_001, signingKeys: 7_236_002, accountTokens: 7_236_003 }

/** Takes a turn until the transaction ends. A lock of the session would stay with the connection of a pooler. */
export async function lockUntilCommit(tx: Transaction, name: keyof typeof LOCKS): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCKS[name]})`)
}
