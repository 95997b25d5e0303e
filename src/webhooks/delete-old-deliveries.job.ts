import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import { defineJob } from '#src/jobs/job.ts'
import { webhookDeliveries } from './table.ts'

const KEEP_DAYS = 30
// A statement that deletes them all would hold its locks for as long as it takes.
const BATCH = 5000

/** Deletes the deliveries that ended and were made more than 30 days ago. */
export default defineJob({
  name: 'webhooks.delete-old-deliveries',
  input: Type.Object({ batch: Type.Integer({ minimum: 1, default: BATCH }) }, { additionalProperties: false }),
  schedule: { cron: '27 3 * * *', input: { batch: BATCH } },
  timeoutSeconds: 3600,
  async handle({ db }, { batch }, { signal, progress }) {
    const { id, createdAt, state } = webhookDeliveries
    let deleted = 0
    for (;;) {
      signal.throwIfAborted()
      const gone = await db
        .delete(webhookDeliveries)
        .where(
          sql`${id} in (select ${id} from ${webhookDeliveries} where ${state} <> 'pending'
            and ${createdAt} < now() - make_interval(days => ${KEEP_DAYS}) order by ${createdAt} limit ${batch})`
        )
        .returning({ id })
      deleted += gone.length
      if (gone.length < batch) return { deleted }
      await progress(deleted)
    }
  }
})
