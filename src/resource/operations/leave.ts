import { inArray, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { firstAdministrator, namelessUser } from '#src/identity/leaving.ts'
import type { Resource } from '../model.ts'
import { ownerColumn } from '../rows/ownership.ts'

/**
 * Deletes, anonymizes or hands over the rows of deleted users as each resource declares, in the transaction that
 * deletes the users.
 * @param resources any; those without an owner are passed over, and each table is done once.
 */
export async function releaseOwnedRows(tx: Database, userIds: string[], resources: Iterable<Resource>): Promise<void> {
  const owned = new Map([...resources].flatMap((one) => (one.declaration.owner ? [[one.table, one] as const] : [])))
  for (const resource of owned.values()) {
    const isTheirs = inArray(ownerColumn(resource), userIds)
    const { owner, whenOwnerLeaves = 'delete' } = resource.declaration
    if (whenOwnerLeaves === 'delete') {
      await tx.delete(resource.table).where(isTheirs)
      continue
    }
    // An heir is found, or made, only where there is something for it.
    const [any] = await tx.select({ one: sql`1` }).from(resource.table).where(isTheirs).limit(1)
    if (!any) continue
    const heir = whenOwnerLeaves === 'anonymize' ? await namelessUser(tx) : await firstAdministrator(tx, userIds)
    const change = { [owner as string]: heir, version: sql`${resource.columns.version} + 1`, updatedAt: sql`now()` }
    await tx.update(resource.table).set(change).where(isTheirs)
  }
}
