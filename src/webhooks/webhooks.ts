import { eq, sql } from 'drizzle-orm'
import { v7 } from 'uuid'
import type { Database, Transaction } from '#src/db/database.ts'
import { ApiError } from '#src/errors.ts'
import type { Principal } from '#src/identity/principal.ts'
import { users } from '#src/identity/tables/users.ts'
import type { WebhookSecrets } from './secrets.ts'
import { webhooks } from './table.ts'

/** The values of a webhook that its maker chooses. */
export type WebhookValues = Pick<typeof webhooks.$inferInsert, 'url' | 'events' | 'description' | 'enabled'>

/** A webhook with a new secret: the only time that it is readable. */
export interface NewSecret {
  id: string
  secret: string
}

/** The most webhooks that a user has, disabled ones too. */
export const MAX_WEBHOOKS = 50
const OVERLAP_HOURS = 24

/** Makes a webhook. @throws ApiError CONFLICT when the user has 50 already. */
export function createWebhook(
  db: Database,
  secrets: WebhookSecrets,
  { userId, keyId, isFull, scopes }: Principal,
  values: WebhookValues
): Promise<NewSecret> {
  const id = v7()
  const { secret, sealed } = secrets.make(id)
  return db.transaction(async (tx) => {
    // The lock makes two requests at once count one after the other.
    await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update')
    if ((await tx.$count(webhooks, eq(webhooks.userId, userId))) >= MAX_WEBHOOKS)
      throw new ApiError(
        'CONFLICT',
        `A user has at most ${MAX_WEBHOOKS} webhooks: delete one that is no longer needed.`
      )
    await tx.insert(webhooks).values({
      ...values,
      id,
      userId,
      keyId: keyId ?? null,
      scopes: isFull ? null : [...scopes],
      secret: sealed,
      since: sql`(select position from event_head)`
    })
    return { id, secret }
  })
}

/** Gives a webhook a new secret. For a day the one before signs as well, so that its receiver can change over. */
export async function rotateSecret(tx: Transaction, secrets: WebhookSecrets, id: string): Promise<NewSecret> {
  const { secret, sealed } = secrets.make(id)
  await tx
    .update(webhooks)
    .set({
      previousSecret: webhooks.secret,
      previousUntil: sql`now() + make_interval(hours => ${OVERLAP_HOURS})`,
      secret: sealed,
      updatedAt: sql`now()`,
      version: sql`${webhooks.version} + 1`
    })
    .where(eq(webhooks.id, id))
  return { id, secret }
}
