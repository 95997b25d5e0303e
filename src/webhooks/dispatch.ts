import { and, eq, sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { v7 } from 'uuid'
import type { Transaction } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'
import { matchesType } from '#src/events/filter.ts'
import type { PlacedEvent } from '#src/events/log.ts'
import type { Principal } from '#src/identity/principal.ts'
import { principalOf } from './attempt.ts'
import deliver from './deliver.job.ts'
import { webhookDeliveries, webhookHead, webhooks } from './table.ts'

const BATCH = 500

/** Makes deliveries of the events that came since the last call, in whichever process that was. */
export async function dispatchEvents(app: FastifyInstance): Promise<void> {
  while (await dispatchBatch(app));
}

/** @returns whether there may be more. */
async function dispatchBatch(app: FastifyInstance): Promise<boolean> {
  const { db, events } = app
  const [head] = await selectRaw<{ head: string; from: string }>(
    db,
    sql`select position::text as head, greatest(position, (select min(since) from webhooks))::text as "from"
      from webhook_head where exists (select from webhooks)`
  )
  // The one statement where there is no webhook.
  if (!head) return false
  const found = await events.stored(Number(head.from), BATCH)
  const last = found.at(-1)
  if (!last) return false
  // After the events: a webhook that was made before one of them is seen.
  const { id, userId, keyId, scopes, since, events: types } = webhooks
  const hooks = await db
    .select({ id, userId, keyId, scopes, since, types })
    .from(webhooks)
    .where(eq(webhooks.enabled, true))
  const wanted: (typeof webhookDeliveries.$inferInsert)[] = []
  for (const hook of hooks) {
    const matching = found.filter(
      ({ type, position }) => position > hook.since && hook.types.some((one) => matchesType(type, one))
    )
    const principal = matching.length > 0 ? await principalOf(app, hook) : undefined
    if (principal) wanted.push(...deliveriesOf(app, hook.id, principal, matching))
  }
  await db.transaction(async (tx) => {
    const moved = await tx
      .update(webhookHead)
      .set({ position: last.position })
      .where(eq(webhookHead.position, Number(head.head)))
      .returning({ id: webhookHead.id })
    // None: another process was faster, and made the deliveries.
    if (moved.length === 1) await addDeliveries(app, tx, wanted)
  })
  return found.length === BATCH
}

function deliveriesOf({ events }: FastifyInstance, webhookId: string, principal: Principal, matching: PlacedEvent[]) {
  return matching
    .filter((event) => events.mayRead(principal, event))
    .map(({ id: messageId, type }) => ({ id: v7(), webhookId, messageId, type }))
}

/** Adds deliveries, or queues those of the same messages again, and wakes their webhooks with the same transaction. */
export async function addDeliveries(
  app: FastifyInstance,
  tx: Transaction,
  deliveries: (typeof webhookDeliveries.$inferInsert)[],
  isReplay = false
): Promise<void> {
  for (let start = 0; start < deliveries.length; start += BATCH) {
    const insert = tx.insert(webhookDeliveries).values(deliveries.slice(start, start + BATCH))
    const target = [webhookDeliveries.webhookId, webhookDeliveries.messageId]
    await (isReplay ? insert.onConflictDoUpdate({ target, set: AGAIN }) : insert.onConflictDoNothing({ target }))
  }
  // Without a key: the job with the same key may just have run, and not have seen these.
  for (const webhookId of new Set(deliveries.map((one) => one.webhookId)))
    await app.jobs.send(deliver, { webhookId }, { tx })
}

/** The values of a delivery that begins anew. */
export const AGAIN = { state: 'pending', attempts: 0, nextAttemptAt: sql`now()` } as const

/** Wakes the webhooks that have something to deliver: after they were disabled, or at a start. */
export async function wakeWebhooks(app: FastifyInstance): Promise<void> {
  const { webhookId, nextAttemptAt, state } = webhookDeliveries
  const waiting = await app.db
    .select({
      webhookId,
      at: sql<string>`to_char(min(${nextAttemptAt}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
    })
    .from(webhookDeliveries)
    .innerJoin(webhooks, and(eq(webhooks.id, webhookId), eq(webhooks.enabled, true)))
    .where(eq(state, 'pending'))
    .groupBy(webhookId)
  for (const { webhookId, at } of waiting)
    await app.jobs.send(deliver, { webhookId }, { startAfter: new Date(at), key: `${webhookId} ${at}` })
}
