import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { Transaction } from '../db/open.ts'
import { type Answer, send } from './answer.ts'
import { inTransaction, type ResourceContext } from './context.ts'
import { answerOnce, keyUseOf } from './idempotency.ts'
import { applyPreferences, parsePrefer } from './prefer.ts'

/**
 * Changes something and says what to answer. Its statements go to the database of the context that it is given, which
 * may be a transaction: one on any other would wait for ever on PGlite.
 */
export type Change = (context: ResourceContext, request: FastifyRequest) => Promise<Answer>

/**
 * The handler of a change, with what every change can be asked for: to happen once (`Idempotency-Key`), and to answer
 * less or keep nothing (`Prefer`). Who asks for nothing pays for nothing.
 */
export function changeHandler(context: ResourceContext, change: Change): RouteHandlerMethod {
  return async function handleChange(request, reply) {
    const { 'idempotency-key': key, prefer } = request.headers
    if (key === undefined && prefer === undefined) return send(reply, await change(context, request))
    const preferences = parsePrefer(prefer)
    const run = async (on: ResourceContext) => applyPreferences(await change(on, request), preferences)
    const runIn = (tx: Transaction) => run(inTransaction(context, tx))
    if (preferences.tx === 'rollback') return send(reply, await rehearse(context, runIn))
    if (key === undefined) return send(reply, await run(context))
    const use = keyUseOf(request)
    const serialize = (answer: Answer) => serializeBody(reply, answer)
    return send(reply, await context.db.transaction((tx) => answerOnce(tx, request, use, runIn, serialize)))
  }
}

// Carries an answer out of a transaction that is to end without a trace.
class Rehearsed extends Error {
  readonly answer: Answer
  constructor(answer: Answer) {
    super('rolled back, as preferred')
    this.answer = answer
  }
}

// Also of its key a rehearsal keeps nothing, so the performance may have it.
async function rehearse({ db }: ResourceContext, run: (tx: Transaction) => Promise<Answer>): Promise<Answer> {
  try {
    return await db.transaction(async (tx) => {
      throw new Rehearsed(await run(tx))
    })
  } catch (error) {
    if (error instanceof Rehearsed) return error.answer
    throw error
  }
}

function serializeBody(reply: FastifyReply, { status, body }: Answer): string | undefined {
  if (body === undefined || typeof body === 'string') return body
  return reply.code(status).serialize(body) as string
}
