import { type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { selectRaw } from './rows.ts'

interface Plan {
  'Plan Rows': number
}

/** How PostgreSQL would run a statement, without running it. */
export async function queryPlan(db: Database, statement: SQL): Promise<Plan> {
  const [row] = await selectRaw<Row>(db, sql`explain (format json) ${statement}`)
  return (row as Row)['QUERY PLAN'][0].Plan
}

interface Row {
  'QUERY PLAN': [{ Plan: Plan }]
}
