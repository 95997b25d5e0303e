import { answerStored } from '../answer.ts'
import type { ResourceContext } from '../context.ts'
import type { MakeRoute } from '../route.ts'
import { assertRules } from '../rules.ts'
import { insertStored, type Stored } from '../stored.ts'
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
      body: resource.variants.Create,
      response: { 201: resource.answer }
    },
    async change(on, request) {
      assertRules(resource, request.body)
      const stored = create
        ? await runOperation(on, request, create)
        : await createRow(on, request.body as object, request.principal?.userId)
      return answerStored(on, stored, 201, { location: `${prefix}/${stored['@key']}` })
    }
  }
}

/** Creates a row from a validated body, belonging to the owner where the resource has one. */
async function createRow(context: ResourceContext, body: object, ownerId: string | undefined): Promise<Stored> {
  const { resource, gathered } = context
  const values = await toColumns(resource, body as Record<string, unknown>)
  const { owner } = resource.declaration
  if (owner) values[owner] = ownerId
  for (const [key, make] of resource.made) values[key] ??= make()
  if (gathered) return gathered.creates(Object.keys(values).join()).add(values)
  const [stored] = await insertStored(context, [values])
  return stored as Stored
}
