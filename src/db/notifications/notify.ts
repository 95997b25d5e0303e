import { sql } from 'drizzle-orm'
import type { Database } from '../database.ts'
import type { WatchTimes } from './watch.ts'

/** How a channel is followed on which nothing but notifications tell what happened: the answers of a second depend on it. */
export const PING_TIMES: WatchTimes = { pingMs: 400, deafMs: 4000 }

/** Notifies a text. */
export async function notify(db: Database, channel: string, text: string): Promise<void> {
  await db.execute(sql`select pg_notify(${channel}, ${text})`)
}
