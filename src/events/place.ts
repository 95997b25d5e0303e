import { sql } from 'drizzle-orm'
import type { Database } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'

/** How many events one transaction places at most. */
export const MAX_PLACED = 5000

/**
 * Gives the events that were committed since the last call their places, so that readers see them.
 *
 * Numbers given while a transaction writes are no order to follow: a slow transaction commits a low number after a fast one
 * has committed a higher, and a reader that is past the higher never sees the lower. So a place is given only to what is
 * committed, by one transaction at a time: it locks the head, and its next statement sees every event committed before.
 * Whatever commits later gets a later place, and readers see places without holes. Two events of one subject are written
 * under the lock of its row: the second is written after the first was committed, so its `written` is higher, and it is
 * never placed before it.
 * @returns whether there may be more.
 */
export async function placeEvents(db: Database, most = MAX_PLACED): Promise<boolean> {
  const [look] = await selectRaw<{ any: boolean }>(
    db,
    sql`select exists (select from events where position is null) as "any"`
  )
  if (!look?.any) return false
  return db.transaction(async (tx) => {
    await tx.execute(sql`select position from event_head for update`)
    // A statement of its own: the one above waited, and sees what was there before it did.
    const [placed] = await selectRaw<{ count: number }>(
      tx,
      sql`with chosen as materialized (
          select id, row_number() over (order by written) as place
          from (select id, written from events where position is null order by written limit ${most}) as unplaced
        ), done as (
          update events set position = head.position + chosen.place from chosen, event_head as head
          where events.id = chosen.id returning 1
        )
        update event_head set position = position + (select count(*) from done)
        returning (select count(*)::int from done) as count`
    )
    return placed?.count === most
  })
}
