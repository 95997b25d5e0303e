import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { runUncancellable } from '../concurrency/request-scope.ts'
import { takeTurns } from '../concurrency/turns.ts'
import type { Transaction } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { canonicalPieces } from '../schema/json/pieces.ts'
import { type Answer, send } from './answer.ts'
import { type ChangeContext, inTransaction } from './change-context.ts'
import { keyUseOf } from './idempotency/key.ts'
import { findReplay, previewKey, runIdempotent } from './idempotency/run-idempotent.ts'
import { applyPreferences, type Preferences, parsePrefer } from './prefer.ts'

/**
 * Changes something and says what to answer. Its statements go to the database of the context that it is given, which
 * may be a transaction: one on any other would wait for ever on PGlite.
 */
export type Perform<C> = (on: C) => Promise<Answer>

/**
 * A change in two steps. The first checks the request and does what takes long without the database, such as hashing a
 * password: a transaction that waited for it would hold a connection. The second is what it gives.
 */
export type Change<C> = (request: FastifyRequest) => Promise<Perform<C>>

/**
 * The handler of a change, with the options that its route allows: to happen once (`Idempotency-Key`), and to answer
 * less or keep nothing (`Prefer`). A request without these headers costs nothing extra.
 */
export function changeHandler<C extends ChangeContext>(context: C, change: Change<C>): RouteHandlerMethod {
  return async function handleChange(request, reply) {
    const { 'idempotency-key': key, prefer } = request.headers
    const preferences = preferencesOf(request)
    const isDryRun = preferences.tx === 'rollback'
    const once = key === undefined ? undefined : await onceOf(request)
    // This also comes before the slow work, so that a repetition does not have to do it again.
    const find = isDryRun ? previewKey : findReplay
    const repeated = once && (await find(context.db, once.use, () => once.fingerprint))
    if (repeated) return send(reply, isDryRun ? asDryRun(repeated) : repeated)
    const perform = await change(request)
    const run = prefer ? async (on: C) => applyPreferences(await perform(on), preferences) : perform
    const runIn = (tx: Transaction) => run(inTransaction(context, tx))
    const serialize = (answer: Answer) => serializeBody(reply, answer)
    const make = () => {
      if (isDryRun) return dryRun(context, runIn)
      return once ? context.db.transaction((tx) => runIdempotent(tx, request, once, runIn, serialize)) : run(context)
    }
    return send(reply, await finish(context, make))
  }
}

/**
 * What the caller prefers, where the route takes it.
 * @throws ApiError UNKNOWN_PREFERENCE for a dry run of what cannot be undone: its caller expects that nothing is kept.
 */
export function preferencesOf({ headers: { prefer }, route, principal }: FastifyRequest): Preferences {
  if (prefer === undefined) return NOTHING
  const { acceptsPrefer, respondsAsync } = route.config
  // A job belongs to a user.
  const preferences = parsePrefer(prefer, respondsAsync && principal ? WITH_ASYNC : OF_CHANGES)
  const { tx, 'respond-async': async, ...others } = preferences
  // What keeps nothing has no use for a job.
  if (acceptsPrefer) return tx === 'rollback' ? { tx, ...others } : preferences
  if (tx === 'rollback') throw new ApiError('UNKNOWN_PREFERENCE', 'A dry run is not possible here.')
  return async === undefined ? NOTHING : { 'respond-async': async }
}

const OF_CHANGES = ['return', 'tx', 'handling']
const WITH_ASYNC = [...OF_CHANGES, 'respond-async']
const NOTHING: Preferences = {}

/** The answer that a key had before, told by a dry run. */
export const asDryRun = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, 'preference-applied': 'tx=rollback' }
})

// The meaning of the body counts: what validation made of it, with the members in one order. White space and the
// spelling of numbers (1.0 and 1) are gone once it is parsed.
async function onceOf(request: FastifyRequest) {
  const use = keyUseOf(request, () => canonicalPieces(request.body))
  const digest = use.fingerprint()
  const pause = takeTurns()
  for (const piece of canonicalPieces(request.body)) {
    digest.update(piece)
    await pause()
  }
  return { use, fingerprint: digest.digest('base64url') }
}

/** Makes a change, and after it what its resource wants done then: also when it failed, which may leave some of it. */
export async function finish<T>({ changed }: ChangeContext, make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } finally {
    if (changed) await runUncancellable(changed)
  }
}

// Carries an answer out of a transaction that is to end without a trace.
class DryRunResult extends Error {
  readonly answer: Answer
  constructor(answer: Answer) {
    super('rolled back, as preferred')
    this.answer = answer
  }
}

/**
 * Makes a change in a transaction that is rolled back, and gives its answer. Its `Idempotency-Key` is not stored, so the
 * real request can use the same one.
 */
export async function dryRun({ db }: ChangeContext, run: (tx: Transaction) => Promise<Answer>): Promise<Answer> {
  try {
    return await db.transaction(async (tx) => {
      throw new DryRunResult(await run(tx))
    })
  } catch (error) {
    if (error instanceof DryRunResult) return error.answer
    throw error
  }
}

/** The text of an answer's body, by the schema of its route. */
export function serializeBody(reply: FastifyReply, { status, body }: Answer): string | undefined {
  if (body === undefined || typeof body === 'string') return body
  return reply.code(status).serialize(body) as string
}
