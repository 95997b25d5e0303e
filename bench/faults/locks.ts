import type { Database } from '../throughput/database.ts'

/** How many of Tenon's statements wait for a lock that another transaction holds. */
export async function countLockWaits({ sql }: Database): Promise<number> {
  const [row] = await sql`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and application_name = 'tenon' and wait_event_type = 'Lock'`
  return row?.count
}
