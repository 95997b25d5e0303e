import type { FastifyRequest } from 'fastify'
import type { Database, Transaction } from '#src/db/database.ts'
import { toApiError } from '#src/db/errors.ts'
import { ApiError } from '#src/errors.ts'
import { type Answer, JSON_TYPE, refusal } from '../answer.ts'
import type { KeyUse } from './key.ts'
import { type CachedResponse, claimKey, findAnswer, isTaken, keepAnswer, releaseClaim } from './store.ts'

/**
 * The answer that a key was given before; undefined where there is none yet.
 * @param fingerprint of the request that asks again.
 * @throws ApiError IDEMPOTENCY_KEY_REUSED when it was given to another request.
 */
export async function findReplay(
  db: Database,
  { stored, open }: KeyUse,
  fingerprint: () => string | Promise<string>
): Promise<Answer | undefined> {
  const found = await findAnswer(db, stored)
  if (!found) return undefined
  if (found.fingerprint !== (await fingerprint())) throw new ApiError('IDEMPOTENCY_KEY_REUSED')
  const { status, headers, body } = found.answer
  return {
    status,
    headers: { ...headers, 'idempotency-replayed': 'true' },
    body: body === null ? undefined : open(body)
  }
}

/**
 * What a key would do to a request, without taking it: the answer that it was given before, or nothing.
 * @throws ApiError IDEMPOTENCY_KEY_REUSED for another request, IDEMPOTENCY_IN_PROGRESS while the first is under way.
 */
export async function previewKey(
  db: Database,
  use: KeyUse,
  fingerprint: () => string | Promise<string>
): Promise<Answer | undefined> {
  const repeated = await findReplay(db, use, fingerprint)
  if (!repeated && (await isTaken(db, use.stored))) throw inProgress()
  return repeated
}

/**
 * Runs an operation once for each key. One transaction takes the key, runs the operation and stores the answer, so that
 * a process that dies in the middle leaves all of it or nothing. Repetitions get the first answer.
 *
 * A refusal (4xx) of the operation itself is an answer too: it is stored for an authenticated caller, and its effects
 * are not. Earlier refusals (401, 403, 422 for the schema) and failures (5xx) are not stored, so the same key can be
 * tried again.
 * @param serialize the text of an answer's body.
 * @throws ApiError IDEMPOTENCY_IN_PROGRESS while the first is under way, IDEMPOTENCY_KEY_REUSED for another request.
 */
export async function runIdempotent(
  tx: Transaction,
  request: FastifyRequest,
  { use, fingerprint }: { use: KeyUse; fingerprint: string },
  run: (tx: Transaction) => Promise<Answer>,
  serialize: (answer: Answer) => string | undefined
): Promise<Answer> {
  const claimedAt = await claimKey(tx, use.stored, fingerprint)
  if (claimedAt === undefined) {
    const repeated = await findReplay(tx, use, () => fingerprint)
    if (!repeated) throw inProgress()
    /* c8 ignore next 2 -- on the embedded database requests take turns: a repetition was answered before this */
    return repeated
  }
  const answer = await attempt(tx, request, async (inner) => asSent(await run(inner), serialize))
  const claim = { key: use.stored, claimedAt }
  // A refusal of a caller without a valid credential leaves no row: otherwise any client could fill the table.
  if (request.principal === null && answer.status >= 400) await releaseClaim(tx, claim)
  else await keepAnswer(tx, claim, fingerprint, encrypted(answer, use))
  return answer
}

/** The refusal of a repetition that comes while the first request is under way. */
export const inProgress = () => new ApiError('IDEMPOTENCY_IN_PROGRESS')

/** An answer with its body as the text that is sent. */
export type SentAnswer = Answer & { body?: string | undefined }

/** An answer as it goes out, with the type that its body has. */
export function asSent(answer: Answer, serialize: (answer: Answer) => string | undefined): SentAnswer {
  const { status, headers } = answer
  const body = serialize(answer)
  return body === undefined ? { status, headers } : { status, headers: { 'content-type': JSON_TYPE, ...headers }, body }
}

/** The same as it is kept. */
export const encrypted = ({ status, headers, body }: SentAnswer, { seal }: KeyUse): CachedResponse => ({
  status,
  headers,
  body: body === undefined ? null : seal(body)
})

// The inner transaction is a savepoint: what a refused operation did is undone, and its key is not.
async function attempt(
  tx: Transaction,
  request: FastifyRequest,
  run: (tx: Transaction) => Promise<SentAnswer>
): Promise<SentAnswer> {
  try {
    return await tx.transaction(run)
  } catch (error) {
    const { faultOf } = request.route.config
    const refused = error instanceof ApiError ? error : toApiError(error, (name) => faultOf?.(name))
    if (!refused || refused.statusCode >= 500) throw error
    return refusal(refused, request)
  }
}
