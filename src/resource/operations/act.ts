import type { FastifyRequest } from 'fastify'
import { readForAnswer } from '../../db/gate.ts'
import type { Principal } from '../../identity/principal.ts'
import { answerOf } from '../answer.ts'
import type { ResourceContext, Row } from '../context.ts'
import type { Action, Operation } from '../declaration.ts'
import { attachIncludes } from '../includes.ts'
import { IdParams, type MakeRoute, ownerOf } from '../route.ts'
import { findRow } from './read.ts'

/** `POST /:id/<name>`: a step of the resource's own. */
export const actionRoute =
  (name: string, { summary, run }: Action): MakeRoute =>
  (context) => ({
    method: 'POST',
    url: `/:id/${name}`,
    access: 'write',
    schema: { summary, params: IdParams, response: { 200: context.resource.answer } },
    change: async (on, request) => answerOf(await runOperation(on, request, run))
  })

/** Runs an operation written by hand, and reads the row that it names. */
export async function runOperation(context: ResourceContext, request: FastifyRequest, run: Operation): Promise<Row> {
  const { id } = await run({
    db: context.db,
    principal: request.principal as Principal,
    body: request.body as never,
    id: (request.params as { id: string }).id,
    ownerId: ownerOf(request, context.resource)
  })
  return readForAnswer(async () => {
    const row = (await findRow(context, id, undefined)) as Row
    await attachIncludes(context, [row])
    return row
  })
}
