import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { lockUntilCommit } from './advisory-locks.ts'
import type { Database, Transaction } from './database.ts'
import { findPgError } from './errors.ts'
import { selectRaw } from './rows.ts'

/** Told in one line what a change of tables waits for. */
export type OnWait = (reason: string) => void

/** How long a change of tables waits, in milliseconds. */
export interface AlterTimes {
  /** For a lock. Every later query of the table waits behind a change that waits. */
  lockMs: number
  /** Between two attempts. The queries that waited behind it are answered meanwhile. */
  pauseMs: number
}

const TIMES: AlterTimes = { lockMs: 2000, pauseMs: 2000 }
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Changes tables in one transaction. Instances that do so at the same time take turns. When a lock is not granted in
 * time, the transaction is rolled back and tried again: PostgreSQL queues every query of a table behind a change that
 * waits for a slow reader.
 * @param onWait told what it waits for, from the second attempt on and whenever that is something else; may be left out.
 */
export async function alterTables<T>(
  db: Database,
  work: (tx: Transaction) => Promise<T>,
  onWait: OnWait | undefined,
  { lockMs, pauseMs }: AlterTimes = TIMES
): Promise<T> {
  let said: string | undefined
  const say = (reason: string | undefined) => {
    if (reason !== undefined && reason !== said) onWait?.(reason)
    said = reason ?? said
  }
  for (let isRepeated = false; ; isRepeated = true) {
    let looking: NodeJS.Timeout | undefined
    try {
      return await db.transaction(async (tx) => {
        await tx.execute(sql`select set_config('lock_timeout', ${`${lockMs}ms`}, true)`)
        const pid = await backendPid(tx)
        // PostgreSQL tells what a statement waits for only while it waits.
        const look = () => findBlocker(db, pid).then(say, () => {})
        if (isRepeated) looking = setInterval(look, lockMs / 4)
        await lockUntilCommit(tx, 'migrations')
        return work(tx)
      })
    } catch (error) {
      if (findPgError(error)?.code !== LOCK_NOT_AVAILABLE) throw error
    } finally {
      clearInterval(looking)
    }
    await sleep(pauseMs)
  }
}

async function backendPid(tx: Transaction): Promise<number> {
  const [row] = await selectRaw<{ pid: number }>(tx, sql`select pg_backend_pid() as pid`)
  return (row as { pid: number }).pid
}

// The text of its statement may hold values: a line of a log gets the beginning, up to the first of them.
async function findBlocker(db: Database, pid: number): Promise<string | undefined> {
  const [row] = await selectRaw<Blocker>(
    db,
    sql`select pid, application_name as name, left(regexp_replace(query, '\\s+', ' ', 'g'), 200) as query,
      extract(epoch from now() - xact_start)::int as seconds
      from pg_stat_activity where pid = any(pg_blocking_pids(${pid})) order by xact_start limit 1`
  )
  if (!row) return undefined
  const { name, query, seconds } = row
  const statement = /^[^'"$\d]*/.exec(query)?.[0].trim()
  return `process ${row.pid}${name && ` (${name})`}, in a transaction for ${seconds ?? 0} s${statement && `: ${statement}`}`
}

interface Blocker {
  pid: number
  name: string
  query: string
  seconds: number | null
}
