import { hash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { toApiError } from '../db/errors.ts'
import { claimKey, findAnswer, type KeptAnswer, type KeyUse, keepAnswer } from '../db/idempotency-keys.ts'
import type { Transaction } from '../db/open.ts'
import { ApiError, validationFailed } from '../errors.ts'
import { unauthenticated } from '../identity/access.ts'
import { PROBLEM_TYPE, toProblem } from '../schema/problem.ts'
import type { Answer } from './answer.ts'
import { JSON_TYPE } from './route.ts'

/**
 * What a request's `Idempotency-Key` is, and for what.
 * @throws ApiError UNAUTHENTICATED for nobody's key, VALIDATION_FAILED for one that is empty, too long or not ASCII.
 */
export function keyUseOf({ headers, principal, method, url, body }: FastifyRequest): KeyUse {
  const key = headers['idempotency-key'] as string
  if (!principal) throw unauthenticated('An Idempotency-Key needs a credential.')
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const message = 'must be 1 to 255 visible ASCII characters'
    throw validationFailed([{ in: 'headers', path: '/idempotency-key', code: 'pattern', message }])
  }
  // Of the body its meaning counts: what validation made of it, not the white space that a client put in.
  const fingerprint = hash('sha256', `${method} ${url}\n${JSON.stringify(body) ?? ''}`)
  // A key may do less than its user, so it does not get the answers that its user got.
  const caller = principal.keyId ? `key:${principal.keyId}` : `user:${principal.userId}`
  return { caller, key, fingerprint }
}

/**
 * Has an effect once for each key: in one transaction the key is taken, the effect had and the answer kept, so that a
 * process that dies in the middle leaves all of it or nothing. Repetitions get the first answer.
 *
 * A refusal (4xx) of the operation itself is an answer too, and kept; its effects are not. What was refused before (401,
 * 403, 422 for the schema) and what failed (5xx) is not kept, so the same key can be tried again.
 * @param serialize the text of an answer's body.
 * @throws ApiError IDEMPOTENCY_IN_PROGRESS while the first is under way, IDEMPOTENCY_KEY_REUSED for another request.
 */
export async function answerOnce(
  tx: Transaction,
  request: FastifyRequest,
  use: KeyUse,
  run: (tx: Transaction) => Promise<Answer>,
  serialize: (answer: Answer) => string | undefined
): Promise<Answer> {
  if (!(await claimKey(tx, use))) return repeat(await findAnswer(tx, use), use)
  const answer = await attempt(tx, request, async (inner) => {
    const { status, headers, body } = await run(inner)
    const text = serialize({ status, headers, body })
    return {
      status,
      headers: text === undefined ? headers : { 'content-type': JSON_TYPE, ...headers },
      body: text ?? null
    }
  })
  await keepAnswer(tx, use, answer)
  return toAnswer(answer)
}

function repeat(found: Awaited<ReturnType<typeof findAnswer>>, { fingerprint }: KeyUse): Answer {
  if (!found) throw new ApiError('IDEMPOTENCY_IN_PROGRESS', undefined, { headers: { 'retry-after': '1' } })
  if (found.fingerprint !== fingerprint) throw new ApiError('IDEMPOTENCY_KEY_REUSED')
  const { headers, ...answer } = found.answer
  return toAnswer({ ...answer, headers: { ...headers, 'idempotency-replayed': 'true' } })
}

const toAnswer = ({ body, ...answer }: KeptAnswer): Answer => ({ ...answer, body: body ?? undefined })

// The inner transaction is a savepoint: what a refused operation did is undone, and its key is not.
async function attempt(
  tx: Transaction,
  { id, routeOptions }: FastifyRequest,
  run: (tx: Transaction) => Promise<KeptAnswer>
): Promise<KeptAnswer> {
  try {
    return await tx.transaction(run)
  } catch (error) {
    const refusal = error instanceof ApiError ? error : toApiError(error, (name) => routeOptions.config.faultOf?.(name))
    if (!refusal || refusal.statusCode >= 500) throw error
    const headers = { ...refusal.headers, 'content-type': PROBLEM_TYPE }
    return { status: refusal.statusCode, headers, body: JSON.stringify(toProblem(refusal, id)) }
  }
}
