import { count, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { queryPlan } from '../../db/plan.ts'
import type { Resource } from '../model.ts'

/** Counts the rows that match, all of them. */
export async function countExactly(db: Database, { table }: Resource, where: SQL | undefined): Promise<number> {
  const [row] = await db.select({ total: count() }).from(table).where(where)
  return (row as { total: number }).total
}

/** What PostgreSQL's planner expects, from its statistics: fast on any number of rows, and about right. */
export async function countRoughly(db: Database, { table }: Resource, where: SQL | undefined): Promise<number> {
  const plan = await queryPlan(db, db.select({ one: sql`1` }).from(table).where(where).getSQL())
  return plan['Plan Rows']
}
