import type { FastifyRequest } from 'fastify'
import { runUncancellable } from '#src/concurrency/request-scope.ts'
import { inTransaction } from '../../http/change-context.ts'
import { IdParams, IfMatch } from '../../http/schemas.ts'
import type { Principal } from '../../identity/principal.ts'
import { answerStored } from '../answer.ts'
import { caused, causeIn } from '../caused.ts'
import type { ResourceContext } from '../context.ts'
import type { Action, Operation } from '../declaration.ts'
import { eventVerb } from '../events.ts'
import { guarded } from '../guard.ts'
import type { Stored } from '../model.ts'
import type { MakeRoute } from '../route.ts'
import { ownerOf } from '../rows/ownership.ts'
import { readOne } from '../rows/read-one.ts'
import { lockOne, oneOf } from '../rows/target.ts'

/** `POST /:id/<name>`: a step of the resource's own. */
export const actionRoute =
  (name: string, { summary, run, access, rows }: Action): MakeRoute =>
  ({ resource }) => ({
    method: 'POST',
    url: `/:id/${name}`,
    access: 'write',
    ownAccess: access,
    schema: { summary, description: STEP, params: IdParams, headers: IfMatch, response: { 200: resource.answer } },
    async change(request) {
      const ownerId = rows === 'all' ? undefined : ownerOf(request, resource)
      const one = { ...oneOf(request, resource), ownerId }
      const verb = eventVerb(resource, name)
      const step = (on: ResourceContext) => runOperation(on, request, run, ownerId, verb)
      const stepIfUnchanged = (on: ResourceContext) =>
        on.db.transaction(async (tx) => {
          const inner = inTransaction(on, tx)
          await lockOne(inner, one)
          return step(inner)
        })
      const make = one.precondition ? stepIfUnchanged : step
      return async (on) =>
        answerStored(on, await guarded(on, request, { id: one.id, body: {} }, make), request.principal)
    }
  })

/**
 * Runs an operation written by hand, and reads the row that it names.
 * @param ownerId as `Call` says.
 * @param verb of the event of the row that the path names.
 */
export async function runOperation(
  context: ResourceContext,
  request: FastifyRequest,
  run: Operation,
  ownerId: string | undefined,
  verb?: string
): Promise<Stored> {
  const call = {
    principal: request.principal as Principal,
    body: request.body as never,
    id: (request.params as { id: string }).id,
    ownerId
  }
  const step = verb === undefined ? undefined : { id: call.id, verb }
  const cause = causeIn(request, context.resource)
  const { id } = await caused(context.db, cause, (db) => run({ ...call, db }), step)
  // Do not batch this read: a read for an answer goes before waiting statements and is never refused.
  return runUncancellable(() => readOne({ ...context, batched: undefined }, id, undefined))
}

const STEP = 'Takes no body. A step that is not possible from where the resource stands is 409, and changes nothing.'
