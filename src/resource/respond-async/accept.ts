import { eq, sql } from 'drizzle-orm'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { v7 } from 'uuid'
import { runDetached } from '#src/concurrency/request-scope.ts'
import type { Database } from '#src/db/database.ts'
import { selectRaw } from '#src/db/rows.ts'
import { ApiError } from '#src/errors.ts'
import type { Answer } from '#src/http/answer.ts'
import { preferencesOf } from '#src/http/change.ts'
import { JOBS_PATH } from '#src/http/job.ts'
import { users } from '#src/identity/tables/users.ts'
import type { JobFiles } from '#src/jobs/files.ts'
import type { JobDefinition } from '#src/jobs/job.ts'
import type { OperationInput } from './operation.ts'

type Body = AsyncIterable<Uint8Array | string> | Iterable<string>

// Their files are in the database, and no caller is to fill it.
const MAX_KEPT = 20

/** Whether a request is to be answered at once, and its work done by a job. */
export const isAskedLater = (request: FastifyRequest): boolean => preferencesOf(request)['respond-async'] !== undefined

/**
 * Sends a job for what a request asks for, and keeps its body for the job.
 * @param db a transaction, where the answer belongs to one.
 * @returns 202 with the job and its `Location`. @throws ApiError TOO_MANY_REQUESTS for a user with too many such jobs.
 */
export async function acceptLater(
  { jobs }: FastifyInstance,
  request: FastifyRequest,
  { job, operation }: { job: JobDefinition<typeof OperationInput>; operation: string },
  db: Database,
  body?: Body
): Promise<Answer> {
  const { userId, role, scopes, keyId } = request.principal as NonNullable<FastifyRequest['principal']>
  const { 'content-type': contentType = null, accept = null } = request.headers
  // Before the body is read, and once more below, where the requests of a user take turns.
  await assertRoom(db, userId)
  const id = v7()
  const lines = body ? await keepBody(jobs.files, id, body, db) : null
  const input = {
    operation,
    requestId: request.id,
    query: request.query,
    contentType,
    accept,
    lines,
    principal: { userId, role, scopes: [...scopes], keyId: keyId ?? null }
  }
  return db.transaction(async (tx) => {
    await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update')
    await assertRoom(tx, userId)
    await jobs.send(job, input, { tx, id, ownerId: userId, requestId: request.id, title: operation })
    const created = {
      id,
      name: operation,
      state: 'queued',
      progress: { done: 0, total: null },
      result: null,
      error: null
    }
    const [now] = await selectRaw<{ createdAt: string }>(
      tx,
      sql`select to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt" from jobs where id = ${id}`
    )
    const body = { ...created, attempts: 0, ...now, startedAt: null, finishedAt: null }
    return { status: 202, headers: { location: `${JOBS_PATH}/${id}` }, body, minimalBody: body }
  })
}

// Gives the number of lines.
async function keepBody(files: JobFiles, id: string, body: Body, db: Database) {
  let lines = 0
  async function* counted() {
    let isEnded = true
    for await (const chunk of body) {
      const bytes = Buffer.from(chunk as Uint8Array)
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1
      if (bytes.length > 0) isEnded = bytes.at(-1) === NEWLINE
      yield bytes
    }
    if (!isEnded) lines += 1
  }
  try {
    await files.write(id, 'input', counted(), (step) => step(db))
    return lines
  } catch (error) {
    // What came of a body that ended early would stay for a day. In a transaction nothing is left to delete.
    await Promise.allSettled([runDetached(() => files.remove(id, 'input', db))])
    throw error
  }
}

const NEWLINE = 0x0a

async function assertRoom(db: Database, userId: string): Promise<void> {
  const rows = await selectRaw(
    db,
    sql`select from job_common where (data->>'ownerId')::uuid = ${userId}::uuid
      and (name in ('import', 'bulk') and state <> 'completed' or name = 'export') limit ${MAX_KEPT}`
  )
  if (rows.length < MAX_KEPT) return
  const message = `A user has at most ${MAX_KEPT} such jobs that have not ended, and exports that are kept.`
  throw new ApiError('TOO_MANY_REQUESTS', message, { retryAfter: 3600 })
}
