import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import { selectRaw } from '#src/db/rows.ts'
import { defineJob } from '#src/jobs/job.ts'

// A statement that deletes them all would hold its locks for as long as it takes.
const BATCH = 5000

/**
 * Deletes the events that were kept for `EVENT_RETENTION_DAYS`, in the order that readers follow and up to the first that is
 * younger: so what is left has no holes, and a reader is told when it has missed some.
 */
export default defineJob({
  name: 'events.delete-old',
  input: Type.Object({ batch: Type.Integer({ minimum: 1, default: BATCH }) }, { additionalProperties: false }),
  schedule: { cron: '17 3 * * *', input: { batch: BATCH } },
  timeoutSeconds: 3600,
  async handle({ db, config }, { batch }, { signal, progress }) {
    let deleted = 0
    for (;;) {
      signal.throwIfAborted()
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
      const count = gone?.count as number
      deleted += count
      if (count < batch) return { deleted }
      await progress(deleted)
    }
  }
})
