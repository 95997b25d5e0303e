import { Type } from '@sinclair/typebox'
import { eq } from 'drizzle-orm'
import { v7 } from 'uuid'
import { defineJob } from '#src/jobs/job.ts'
import { principalOf } from './attempt.ts'
import { addDeliveries } from './dispatch.ts'
import { webhooks } from './table.ts'

const BATCH = 500
const Moment = Type.String({ format: 'date-time' })

/** Sends the events of a span of time to a webhook, once more or for the first time. */
export default defineJob({
  name: 'webhooks.replay',
  input: Type.Object(
    { webhookId: Type.String({ format: 'uuid' }), since: Moment, until: Moment },
    { additionalProperties: false }
  ),
  async handle(app, { webhookId, since, until }, context) {
    const [webhook] = await app.db.select().from(webhooks).where(eq(webhooks.id, webhookId))
    const principal = webhook && (await principalOf(app, webhook))
    if (!webhook || !principal) return { replayed: 0 }
    let { after, done } = (context.checkpoint ?? { after: 0, done: 0 }) as { after: number; done: number }
    for (;;) {
      const found = await app.events.read(principal, { types: webhook.events, since, until }, { after, limit: BATCH })
      const last = found.at(-1)
      if (!last) return { replayed: done }
      after = last.position
      done += found.length
      const deliveries = found.map(({ id: messageId, type }) => ({ id: v7(), webhookId, messageId, type }))
      await app.db.transaction(async (tx) => {
        await addDeliveries(app, tx, deliveries, true)
        await context.progress(done, null, { tx, checkpoint: { after, done } })
      })
    }
  }
})
