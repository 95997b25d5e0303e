import { sql } from 'drizzle-orm'
import type { Database } from '../database.ts'

/** Notifies a text. */
export async function notify(db: Database, channel: string, text: string): Promise<void> {
  await db.execute(sql`select pg_notify(${channel}, ${text})`)
}
