import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { readForAnswer } from '../../db/gate.ts'
import { answerOf } from '../answer.ts'
import type { ResourceContext, Row } from '../context.ts'
import { attachIncludes } from '../includes.ts'
import type { MakeRoute } from '../route.ts'
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
      body: resource.variants.Create,
      response: { 201: resource.answer }
    },
    async change(on, request) {
      assertRules(resource, request.body)
      const row = create
        ? await runOperation(on, request, create)
        : await createRow(on, request.body as object, request.principal?.userId)
      return answerOf(row, 201, { location: `${prefix}/${row.id}` })
    }
  }
}

/** Creates a row from a validated body, belonging to the owner where the resource has one. */
export async function createRow(context: ResourceContext, body: object, ownerId: string | undefined): Promise<Row> {
  const { resource, db } = context
  const values = await toColumns(resource, body as Record<string, unknown>)
  const { owner } = resource.declaration
  if (owner) values[owner] = ownerId
  const [row] = (await db
    .insert(resource.table as PgTable)
    .values(values)
    .returning(resource.selection as Record<string, AnyPgColumn>)) as [Row]
  await readForAnswer(() => attachIncludes(context, [row]))
  return row
}
