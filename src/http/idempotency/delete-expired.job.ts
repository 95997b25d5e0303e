import { defineDeletion } from '#src/jobs/deletion.ts'
import { deleteExpiredKeys } from './store.ts'

/** Deletes idempotency keys after their 24 hours. */
export default defineDeletion({
  name: 'idempotency.delete-expired',
  cron: '37 3 * * *',
  deleteBatch: ({ db }, batch) => deleteExpiredKeys(db, batch)
})
