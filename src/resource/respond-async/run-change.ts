import { text } from 'node:stream/consumers'
import { finish, type Perform } from '#src/http/change.ts'
import { inTransaction } from '#src/http/change-context.ts'
import type { Asked } from '../asked.ts'
import type { ResourceContext } from '../context.ts'
import { type AsyncOperation, inputOf } from './operation.ts'

/** How a job makes a change of many rows: what it changes and the end of the job are one transaction. */
export const changeAsJob = (
  context: ResourceContext,
  change: (asked: Asked) => Promise<Perform<ResourceContext>>,
  /** The member of the body that holds the list. */
  list: string
) => ({
  kind: 'bulk' as const,
  run: (async (job) => {
    const body = JSON.parse(await text(inputOf(job)))
    const count = body[list].length
    await job.context.progress(0, count)
    const perform = await change({ ...job.asked, body })
    await finish(context, () =>
      context.db.transaction(async (tx) => {
        const { body: result } = await perform(inTransaction(context, tx))
        await job.context.progress(count, count, { tx })
        await job.files.remove(job.context.id, 'input', tx)
        await job.context.finish(tx, result)
      })
    )
  }) satisfies AsyncOperation['run']
})
