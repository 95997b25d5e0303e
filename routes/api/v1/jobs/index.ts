import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import { ApiError } from '#src/errors.ts'
import { Job } from '#src/http/job.ts'
import { IdParams } from '#src/http/schemas.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { jobsView } from '#src/jobs/view.ts'
import { defineResource } from '#src/resource/define.ts'
import { CSV, NDJSON } from '#src/resource/operations/export.ts'
import type { OperationInput } from '#src/resource/respond-async/operation.ts'
import { assertCouldAsk, withholdOutcome } from './outcome.ts'
import { cancelJob, retryJob } from './rules.ts'

/** Work that outlives its request: what was asked for with `Prefer: respond-async`, and the server's own jobs. */
export default (async (app) => {
  const { storage, files } = app.jobs

  await app.register(
    defineResource({
      schema: Job,
      table: jobsView,
      owner: 'ownerId',
      access: { read: 'authenticated', write: 'jobs:write', delete: 'jobs:write' },
      withhold: withholdOutcome(app),
      list: { filter: ['name', 'state', 'createdAt', 'finishedAt'], sort: ['createdAt', 'finishedAt'] },
      operations: { create: false, update: false, replace: false, remove: false, aggregate: false, export: false },
      errors: { cancel: ['INVALID_TRANSITION'], retry: ['INVALID_TRANSITION'] },
      actions: {
        cancel: { summary: 'Cancel a job that is queued or runs', run: cancelJob(storage) },
        retry: { summary: 'Try a job again that failed or was cancelled', run: retryJob(app) }
      }
    })
  )

  app.get(
    '/:id/result',
    {
      config: { access: 'authenticated', errors: [403] },
      schema: {
        operationId: 'readJobResult',
        tags: ['jobs'],
        summary: 'Read the file of an export',
        description:
          'The file that an export wrote as a job, for 24 hours. It needs the access that the export needed. A job without a file, or one that has not ended, is 404.',
        params: IdParams,
        response: {
          200: {
            description: 'The rows.',
            content: Object.fromEntries(
              [NDJSON, CSV].map((type) => [
                type,
                { schema: Type.String({ description: 'As the export itself answers.' }) }
              ])
            )
          }
        }
      }
    },
    async function readJobResult(request, reply) {
      const { id } = request.params as { id: string }
      const principal = request.principal as Principal
      const ownerId = canSeeAllRows(principal, 'jobs') ? undefined : principal.userId
      const { input, result } = ((await storage.outcome(id, ownerId)) ?? {}) as ExportJob
      const operation = app.asyncOperations.get(input?.operation ?? '')
      if (!operation || !result?.type) throw new ApiError('NOT_FOUND', 'There is no Job with this id that has a file.')
      assertCouldAsk(principal, operation, input.principal.scopes)
      const { type } = result
      return reply.type(type).send(Readable.from(files.read(id, 'result'), { objectMode: false }))
    }
  )
}) satisfies FastifyPluginAsync

/** What is kept of a job that may be an export. */
interface ExportJob {
  input: OperationInput
  result?: { type?: string }
}
