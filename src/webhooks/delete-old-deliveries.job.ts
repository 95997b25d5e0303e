import { sql } from 'drizzle-orm'
import { defineDeletion } from '#src/jobs/deletion.ts'
import { webhookDeliveries } from './table.ts'

const KEEP_DAYS = 30

/** Deletes the deliveries that ended and were made more than 30 days ago. */
export default defineDeletion({
  name: 'webhooks.delete-old-deliveries',
  cron: '27 3 * * *',
  async deleteBatch({ db }, batch) {
    const { id, createdAt, state } = webhookDeliveries
    const gone = await db
      .delete(webhookDeliveries)
      .where(
        sql`${id} in (select ${id} from ${webhookDeliveries} where ${state} <> 'pending'
          and ${createdAt} < now() - make_interval(days => ${KEEP_DAYS}) order by ${createdAt} limit ${batch})`
      )
      .returning({ id })
    return gone.length
  }
})
