import { sql } from 'drizzle-orm'
import { defineDeletion } from '#src/jobs/deletion.ts'
import { accountTokens } from './tables/account-tokens.ts'
import { revokedTokens } from './tables/revoked-tokens.ts'
import { sessions } from './tables/sessions.ts'

/** Deletes logins that are over for good, and tokens that have expired: of access tokens the revocations, and those of mails. */
export default defineDeletion({
  name: 'identity.delete-expired',
  cron: '7 3 * * *',
  async deleteBatch({ db }, batch) {
    let deleted = 0
    for (const table of [sessions, revokedTokens, accountTokens]) {
      const expired = sql`select ctid from ${table} where ${table.expiresAt} < now() limit ${batch - deleted}`
      const gone = await db
        .delete(table)
        .where(sql`ctid = any(array(${expired}))`)
        .returning({ expiresAt: table.expiresAt })
      deleted += gone.length
    }
    return deleted
  }
})
