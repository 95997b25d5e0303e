import { Readable } from 'node:stream'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { authorize } from '#src/identity/access.ts'
import type { Principal } from '#src/identity/principal.ts'
import { currentPrincipal } from '#src/identity/requests/current-principal.ts'
import type { Access } from '#src/identity/scopes.ts'
import type { JobFiles } from '#src/jobs/files.ts'
import { type JobContext, JobFailed } from '#src/jobs/job.ts'
import type { Asked } from '../asked.ts'

/** What a job has to do its operation with. */
export interface OperationJob {
  asked: Asked
  context: JobContext
  /** How many lines the body of the request has. */
  lines: number | null
  files: JobFiles
}

/** An operation that a job can do. */
export interface AsyncOperation {
  access: Access
  /** The scope by which it is done on the rows of all users; undefined where rows have no owner. */
  allRows: `${string}:*` | undefined
  /** Does the operation. @returns the result, where it did not end the job itself. */
  run: (job: OperationJob) => Promise<unknown>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The operations that jobs can do, by their `operationId`. */
    asyncOperations: Map<string, AsyncOperation>
  }
}

const text = Type.Union([Type.String(), Type.Null()])

/** What is kept of a request. Its body is a file of the job. */
export const OperationInput = Type.Object(
  {
    operation: Type.String(),
    requestId: Type.String(),
    query: Type.Unknown(),
    contentType: text,
    accept: text,
    /** How many lines the body has; null without one. */
    lines: Type.Union([Type.Integer(), Type.Null()]),
    principal: Type.Object({
      userId: Type.String(),
      role: Type.String(),
      scopes: Type.Array(Type.String()),
      keyId: text
    })
  },
  { additionalProperties: false }
)
export type OperationInput = Static<typeof OperationInput>

/** How jobs of operations are run: they may take a day, and their files are kept for one. */
export const operationJob = {
  input: OperationInput,
  timeoutSeconds: 86_400,
  keepSeconds: 86_400,
  concurrency: 2,
  // Attempts end with their process, too; a refusal ends the job at once.
  retry: { limit: 10, maxDelaySeconds: 300 },
  handle: runOperation
}

async function runOperation(app: FastifyInstance, input: OperationInput, context: JobContext): Promise<unknown> {
  const { operation: name, requestId, query, contentType, accept, lines } = input
  const operation = app.asyncOperations.get(name)
  if (!operation) throw new JobFailed('The server does not have this operation any more.')
  const { userId, role, scopes, keyId } = input.principal
  const asWas: Principal = { userId, role, scopes: new Set(scopes), ...(keyId !== null && { keyId }) }
  // Its rights may have ended since. A login may end: the work goes on for its user.
  const principal = await currentPrincipal(app.db, asWas)
  authorize(principal, operation.access)
  const headers = { ...(contentType !== null && { 'content-type': contentType }), ...(accept !== null && { accept }) }
  const { files } = app.jobs
  const asked = { id: requestId, principal, query, body: undefined, headers }
  return operation.run({ asked, context, lines, files })
}

/** The body of the request that a job was made for. */
export const inputOf = ({ files, context }: OperationJob): Readable =>
  Readable.from(files.read(context.id, 'input'), { objectMode: false })
