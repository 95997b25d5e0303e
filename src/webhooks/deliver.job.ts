import { Type } from '@sinclair/typebox'
import { defineJob, type JobDefinition } from '#src/jobs/job.ts'
import { deliverDue } from './deliver.ts'

const Input = Type.Object({ webhookId: Type.String({ format: 'uuid' }) }, { additionalProperties: false })

/** Sends what is due to one webhook. */
const job: JobDefinition<typeof Input> = defineJob({
  name: 'webhooks.deliver',
  input: Input,
  // Many may wait for slow receivers at once; each is little work.
  concurrency: 50,
  // The attempts at deliveries are counted in their own table. This is for a database that is away.
  retry: { limit: 1000, delaySeconds: 5 },
  timeoutSeconds: 60,
  keepSeconds: 600,
  uniqueUntil: 'started',
  async handle(app, { webhookId }, context) {
    await deliverDue(app, webhookId, context, ({ at, tx }) =>
      app.jobs.send(job, { webhookId }, { tx, startAfter: at, key: at && `${webhookId} ${at.toISOString()}` })
    )
  }
})

export default job
