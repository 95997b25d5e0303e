import { count, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { queryPlan } from '../../db/plan.ts'
import type { Resource } from '../model.ts'

/** Counts the rows that match, all of them. */
export async function countExactly(db: Database, { table }: Resource, where: SQL | undefined): Promise<number> {
  const [row] = await db.select({ total: count() }).from(table).where(where)
  return (row as { total: number }).total
}

// Up to here an estimate would save nothing that a caller notices.
const FEW = 10_000

/**
 * Counts up to 10,000 matching rows, and beyond that gives the estimate of PostgreSQL's planner: fast on any number of
 * rows, and about right. The planner's statistics cover all rows, so this is only for callers that may read all of
 * them: with chosen filters, the estimates would reveal the contents of rows that other callers may not read
 * (CVE-2017-7484 is the same).
 */
export async function countRoughly(db: Database, { table }: Resource, where: SQL | undefined): Promise<number> {
  const rows = db
    .select({ one: sql`1`.as('one') })
    .from(table)
    .where(where)
  const some = db.$with('some').as(rows.limit(FEW + 1))
  const [found] = await db.with(some).select({ total: count() }).from(some)
  const { total } = found as { total: number }
  if (total <= FEW) return total
  const all = db.select({ one: sql`1` }).from(table).where(where)
  return Math.max(total, (await queryPlan(db, all.getSQL()))['Plan Rows'])
}
