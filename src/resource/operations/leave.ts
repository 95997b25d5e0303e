import { eq, sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { firstAdministrator, namelessUser } from '#src/identity/leaving.ts'
import type { Resource } from '../model.ts'
import { ownerColumn } from '../rows/ownership.ts'

/**
 * Deletes, anonymizes or hands over the rows of a deleted user as each resource declares, in the transaction that
 * deletes the user.
 * @param resources any; those without an owner are passed over, and each table is done once.
 */
export async function releaseOwnedRows(tx: Database, userId: string, resources: Iterable<Resource>): Promise<void> {
  const owned = new Map([...resources].flatMap((one) => (one.declaration.owner ? [[one.table, one] as const] : [])))
  for (const resource of owned.values()) {
    const isTheirs = eq(ownerColumn(resource), userId)
    const { owner, whenOwnerLeaves = 'delete' } = resource.declaration
    if (whenOwnerLeaves === 'delete') {
      await tx.delete(resource.table).where(isTheirs)
      continue
    }
    const heir = whenOwnerLeaves === 'anonymize' ? await namelessUser(tx) : await firstAdministrator(tx, userId)
    const change = { [owner as string]: heir, version: sql`${resource.columns.version} + 1`, updatedAt: sql`now()` }
    await tx.update(resource.table).set(change).where(isTheirs)
  }
}
