import { and, eq, sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import type { Database, Transaction } from '#src/db/database.ts'
import type { JobContext } from '#src/jobs/job.ts'
import { attemptDelivery, type Delivery, type Outcome, type Webhook } from './attempt.ts'
import { webhookDeliveries, webhooks } from './table.ts'

/** Queues the next run for the webhook: now, or at a time. */
export type Wake = (when: { at?: Date; tx?: Transaction }) => Promise<unknown>

/** The pauses after the first, second, … attempt, in seconds. */
const PAUSES = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
const DAY_MS = 86_400_000
const GIVE_UP_DAYS = 5
// At once to one webhook, over all processes: a slow one must not take all places.
const LANES = 2
// Longer than an attempt and the time that a run of a dead process takes to be given to another.
const CLAIM_SECONDS = 120
// Then the next run stands behind those of other webhooks.
const RUN_MS = 20_000
const REST_MS = 5000

/** Sends what is due to one webhook, one after another, until nothing is. */
export async function deliverDue(app: FastifyInstance, webhookId: string, context: JobContext, wake: Wake) {
  const end = performance.now() + RUN_MS
  for (;;) {
    const claimed = await claim(app.db, webhookId, context.id)
    if (!claimed) return
    const outcome = await attemptDelivery(app, claimed.webhook, claimed.delivery, context.signal)
    const ended = await app.db.transaction((tx) => settle(tx, claimed, outcome, wake))
    app.webhooks.count(ended)
    if (ended === 'rested') return
    if (performance.now() > end) {
      await wake({})
      return
    }
  }
}

interface Claimed {
  webhook: Webhook
  delivery: Delivery
}

/** Takes the delivery that is due for longest, unless enough others are under way. A run takes its own again. */
function claim(db: Database, webhookId: string, jobId: string): Promise<Claimed | undefined> {
  return db.transaction(async (tx) => {
    // The lock makes runs count one after the other. Deliveries can be added meanwhile.
    const [webhook] = await tx
      .select()
      .from(webhooks)
      .where(and(eq(webhooks.id, webhookId), eq(webhooks.enabled, true)))
      .for('no key update')
    if (!webhook) return undefined
    const ofWebhook = sql`${webhookDeliveries.webhookId} = ${webhookId} and ${webhookDeliveries.state} = 'pending'`
    const isTaken = sql`coalesce(${webhookDeliveries.claimedUntil} > clock_timestamp(), false)
      and ${webhookDeliveries.claimedBy} <> ${jobId}`
    const [{ count } = { count: 0 }] = await tx
      .select({ count: sql<number>`count(*)::int` })
      .from(webhookDeliveries)
      .where(sql`${ofWebhook} and ${isTaken}`)
    if (count >= LANES) return undefined
    const [due] = await tx
      .select({ id: webhookDeliveries.id })
      .from(webhookDeliveries)
      .where(sql`${ofWebhook} and not (${isTaken}) and ${webhookDeliveries.nextAttemptAt} <= clock_timestamp()`)
      .orderBy(webhookDeliveries.nextAttemptAt, webhookDeliveries.id)
      .limit(1)
    if (!due) return undefined
    const claimedUntil = sql`clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS})`
    const [delivery] = await tx
      .update(webhookDeliveries)
      .set({ claimedBy: jobId, claimedUntil })
      .where(eq(webhookDeliveries.id, due.id))
      .returning()
    return delivery && { webhook, delivery }
  })
}

type Ended = 'delivered' | 'retried' | 'failed' | 'rested'

/** Writes how an attempt ended, and queues the next one with it. */
async function settle(tx: Transaction, { webhook, delivery }: Claimed, outcome: Outcome, wake: Wake): Promise<Ended> {
  // In the order of `claim`, so that the two cannot deadlock.
  const [current] = await tx.select().from(webhooks).where(eq(webhooks.id, webhook.id)).for('no key update')
  const { kind, durationMs, status = null, error = null, answer = null } = outcome
  const attempts = delivery.attempts + 1
  const next = kind === 'rest' ? new Date(Date.now() + REST_MS) : nextAttempt(attempts, outcome)
  const state = kind === 'delivered' ? 'delivered' : next ? 'pending' : 'failed'
  const [own] = await tx
    .update(webhookDeliveries)
    .set({
      claimedBy: null,
      claimedUntil: null,
      nextAttemptAt: next?.toISOString() ?? null,
      ...(kind !== 'rest' && { state, attempts, durationMs, status, error, answer, attemptedAt: sql`now()` })
    })
    .where(and(eq(webhookDeliveries.id, delivery.id), eq(webhookDeliveries.claimedBy, delivery.claimedBy as string)))
    .returning({ id: webhookDeliveries.id })
  // The webhook was deleted, or the delivery was given to another run, which writes it.
  if (!current || !own) return 'rested'
  await noteHealth(tx, current, outcome)
  if (next) await wake({ at: next, tx })
  if (kind === 'rest') return 'rested'
  return state === 'pending' ? 'retried' : state
}

function nextAttempt(attempts: number, { kind, retryAfterMs = 0 }: Outcome): Date | undefined {
  const pause = PAUSES[attempts - 1]
  if (kind !== 'failed' || pause === undefined) return undefined
  const ms = Math.max(pause * 1000 * (1 + Math.random() / 10), Math.min(retryAfterMs, DAY_MS))
  // Attempts of one second, and of one minute when it is later, share a run.
  const grain = ms < 60_000 ? 1000 : 60_000
  return new Date(Math.ceil((Date.now() + ms) / grain) * grain)
}

// An unreadable event, or a rest, says nothing about the receiver.
async function noteHealth(tx: Transaction, webhook: Webhook, { kind }: Outcome): Promise<void> {
  const { failingSince } = webhook
  const set = (values: Partial<Webhook>) => tx.update(webhooks).set(values).where(eq(webhooks.id, webhook.id))
  if (kind === 'gone')
    await set({
      enabled: false,
      failingSince: null,
      disabledReason: 'The receiver answered 410: it wants no more events.'
    })
  else if (kind === 'delivered' && failingSince !== null) await set({ failingSince: null })
  else if (kind === 'failed' && failingSince === null) await set({ failingSince: new Date().toISOString() })
  else if (kind === 'failed' && Date.parse(failingSince as string) <= Date.now() - GIVE_UP_DAYS * DAY_MS)
    await set({
      enabled: false,
      failingSince: null,
      disabledReason: `Every delivery has failed for ${GIVE_UP_DAYS} days, since ${failingSince}.`
    })
}
