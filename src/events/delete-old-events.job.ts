import { sql } from 'drizzle-orm'
import { selectRaw } from '#src/db/rows.ts'
import { defineDeletion } from '#src/jobs/deletion.ts'

/**
 * Deletes the events that were kept for `EVENT_RETENTION_DAYS`, in the order that readers follow and up to the first that is
 * younger: so what is left has no holes, and a reader is told when it has missed some.
 */
export default defineDeletion({
  name: 'events.delete-old',
  cron: '17 3 * * *',
  async deleteBatch({ db, config }, batch) {
    const [gone] = await selectRaw<{ count: number }>(
      db,
      sql`with oldest as (
          select position, created_at < now() - make_interval(days => ${config.EVENT_RETENTION_DAYS}) as is_old
          from events where position is not null order by position limit ${batch}
        ), gone as (
          delete from events where position <= (select max(position) from oldest)
            and position < coalesce((select min(position) from oldest where not is_old), 9223372036854775807) returning 1
        )
        select count(*)::int as count from gone`
    )
    return gone?.count as number
  }
})
