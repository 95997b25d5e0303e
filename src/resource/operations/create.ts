import type { FastifyRequest } from 'fastify'
import { answerStored } from '../answer.ts'
import { causeIn } from '../caused.ts'
import type { ResourceContext } from '../context.ts'
import { guarded } from '../guard.ts'
import type { Resource, Stored } from '../model.ts'
import type { MakeRoute } from '../route.ts'
import { insertStored } from '../rows/one-statement.ts'
import { ownerOf } from '../rows/ownership.ts'
import { assertRules } from '../rules.ts'
import { toColumns } from '../write.ts'
import { runOperation } from './act.ts'

/** `POST /`: a new row, or what the resource's own operation makes. */
export const createRoute: MakeRoute = (context, prefix) => {
  const { resource } = context
  const { create } = resource.declaration.operations ?? {}
  return {
    method: 'POST',
    url: '',
    access: 'write',
    schema: {
      summary: `Create ${resource.noun}`,
      description:
        'Fields with a default, or that may be null, can be left out. `Location` is the path of what was made.',
      body: resource.variants.Create,
      response: { 201: resource.answer }
    },
    async change(request) {
      assertRules(resource, request.body)
      const body = request.body as Record<string, unknown>
      const run = typeof create === 'object' ? await create.prepare(request.server, body as never) : create
      const make = run
        ? (on: ResourceContext) => runOperation(on, request, run, ownerOf(request, resource))
        : await prepareRow(resource, body, request)
      return async (on) => {
        const stored = await guarded(on, request, { body }, make)
        return answerStored(on, stored, request.principal, 201, { location: `${prefix}/${stored['@key']}` })
      }
    }
  }
}

// Makes the columns of a row from a validated body. The row belongs to the owner when the resource has owners.
async function prepareRow(resource: Resource, body: Record<string, unknown>, request: FastifyRequest) {
  const values = await toColumns(resource, body)
  const { owner } = resource.declaration
  if (owner) values[owner] = request.principal?.userId
  for (const [key, make] of resource.made) values[key] ??= make()
  const cause = causeIn(request, resource)
  return async function insertRow(on: ResourceContext): Promise<Stored> {
    if (on.batched) return on.batched.creates(Object.keys(values).join()).add({ values, cause })
    const [stored] = await insertStored(on, [{ values, cause }])
    return stored as Stored
  }
}
