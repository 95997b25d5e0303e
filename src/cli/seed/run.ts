import { asc, getTableName, sql } from 'drizzle-orm'
import { type BulkLoad, fillTable } from '../../db/bulk-load.ts'
import type { OpenDatabase } from '../../db/open.ts'
import { createFirstAdmin } from '../../identity/users.ts'
import { planSeeding, type Resource, type Seeding } from './plan.ts'
import { makeRows, poolsOf } from './rows.ts'

/** What was made. */
export interface Seeded {
  resource: string
  rows: number
  seconds: number
}

/** What to make. */
export interface SeedOptions {
  seed: string
  /** The numbers of rows by resource; some of each when left out. */
  wanted: Record<string, number> | undefined
  /** The first administrator, for a database without users. */
  admin: { email: string; password: string | undefined }
  /** Told what is being done, in one line. */
  onProgress(line: string): void
}

/** Makes rows in the tables of resources, and the first administrator where there is no user: all or nothing. */
export function seedDatabase(
  { bulkLoad }: OpenDatabase,
  resources: Map<string, Resource>,
  { seed, wanted, admin, onProgress }: SeedOptions
) {
  return bulkLoad(async (load) => {
    // With users and without an administrator no start would make one any more.
    const first = (await createFirstAdmin(load.tx, admin.email, admin.password)) ?? null
    const counts = new Map<Resource, number>()
    for (const one of resources.values()) counts.set(one, await load.tx.$count(one.table))
    const made: Seeded[] = []
    for (const one of planSeeding(resources, wanted, (resource) => counts.get(resource) === 0)) {
      const started = performance.now()
      const offset = counts.get(one.resource) as number
      await fill(load, one, { seed, offset, onProgress })
      made.push({
        resource: one.resource.name,
        rows: one.count,
        seconds: Math.round((performance.now() - started) / 10) / 100
      })
    }
    return { admin: first, made }
  })
}

async function fill(
  load: BulkLoad,
  { resource, count }: Seeding,
  { seed, offset, onProgress }: { seed: string; offset: number; onProgress(line: string): void }
): Promise<void> {
  const references = new Map<string, string[]>()
  for (const { key, table, column, limit } of poolsOf(resource, offset + count)) {
    const rows = await load.tx
      .select({ value: sql<string>`${column}::text` })
      .from(table)
      .orderBy(asc(column))
      .limit(limit)
    references.set(
      key,
      rows.map(({ value }) => value)
    )
  }
  const { columns, chunks } = await makeRows(resource, { seed, count, offset, references })
  const say = (made: number) =>
    onProgress(`${resource.name}: ${made.toLocaleString('en')} of ${count.toLocaleString('en')} rows`)
  await fillTable(load, { table: getTableName(resource.table), columns, count, chunks: chunks(say) }, (what) =>
    onProgress(`${resource.name}: ${what}`)
  )
}
