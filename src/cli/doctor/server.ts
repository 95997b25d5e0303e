import { sql } from 'drizzle-orm'
import type { Config } from '../../config.ts'
import type { Database } from '../../db/database.ts'
import type { OpenDatabase } from '../../db/open.ts'
import { readDatabaseUrl } from '../../db/postgres/url.ts'
import { selectRaw } from '../../db/rows.ts'
import { type Finding, findingOf } from './finding.ts'

const MAX_SKEW_MS = 1000

/** A clock that differs from that of the database. @param now the time here, in milliseconds. */
export async function clockSkew(db: Database, now: () => number = Date.now): Promise<Finding[]> {
  const before = now()
  const [row] = await selectRaw<{ ms: number }>(
    db,
    sql`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`
  )
  const after = now()
  const { ms } = row as { ms: number }
  // It was read somewhere between the two.
  const skewMs = Math.max(before - ms, ms - after, 0)
  if (skewMs <= MAX_SKEW_MS) return []
  const seconds = Math.round(skewMs / 1000)
  return [
    findingOf('clock')(
      `the clock here and that of the database differ by ${seconds} s: tokens and keys end at another time`,
      'let both follow one time server (chrony, systemd-timesyncd)'
    )
  ]
}

/** As .env.example has it: beside the pool up to six connections that only listen. */
const LISTENERS = 6

/** Pools that are larger, together, than the database takes. */
export async function connections(
  { db, kind }: Pick<OpenDatabase, 'db' | 'kind'>,
  { WORKERS, DATABASE_POOL_MAX, DATABASE_URL }: Config,
  instances: number
): Promise<Finding[]> {
  if (kind === 'embedded' || readDatabaseUrl(DATABASE_URL as string).isPooled) return []
  const [row] = await selectRaw<{ free: number }>(
    db,
    sql`select least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user),
        (select nullif(datconnlimit, -1) from pg_database where datname = current_database())) as free`
  )
  const { free } = row as { free: number }
  const needed = instances * WORKERS * (DATABASE_POOL_MAX + LISTENERS)
  if (needed <= free) return []
  return [
    findingOf('connections')(
      `${instances} × WORKERS=${WORKERS} × (DATABASE_POOL_MAX=${DATABASE_POOL_MAX} + ${LISTENERS}) = ${needed} connections, and the database takes ${free}`,
      `set DATABASE_POOL_MAX=${Math.max(1, Math.floor(free / (instances * WORKERS)) - LISTENERS)}, raise max_connections, or take a pooler`
    )
  ]
}
