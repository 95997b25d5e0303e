import type { TObject } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { asArrays } from '../../db/rows.ts'
import { inTransaction } from '../../http/change-context.ts'
import { IdParams, IfMatch } from '../../http/schemas.ts'
import { answerStored } from '../answer.ts'
import type { ResourceContext } from '../context.ts'
import { guarded } from '../guard.ts'
import { mergeJsonFields, patchesJson } from '../json-fields.ts'
import { type Columns, type One, openRow, type Stored } from '../model.ts'
import type { ChangeRoute, MakeRoute } from '../route.ts'
import { bareName, jsonRows } from '../rows/sql.ts'
import { isOne, lockOne, oneOf, readUnchanged, refuseOne } from '../rows/target.ts'
import { assertRules, mergePatch } from '../rules.ts'
import { toColumns } from '../write.ts'
import { assertUnchanged, splitReadOnly } from './read-only.ts'

/** `PATCH /:id`: changes the fields that the body names (RFC 7396). */
export const updateRoute: MakeRoute = (context) => ({
  ...changeRoute(context, context.resource.variants.Update),
  method: 'PATCH'
})

/** `PUT /:id`: the whole row is replaced; fields that were left out get their defaults. */
export const replaceRoute: MakeRoute = (context) => ({
  ...changeRoute(context, context.resource.variants.Replace),
  method: 'PUT'
})

function changeRoute(context: ResourceContext, body: TObject): Omit<ChangeRoute, 'method'> {
  const { resource } = context
  const isPatch = body === resource.variants.Update
  return {
    url: '/:id',
    access: 'write',
    schema: {
      summary: `${isPatch ? 'Change' : 'Replace'} ${resource.noun}`,
      description: isPatch ? PATCHES : REPLACES,
      ...(isPatch && { consumes: ['application/json', 'application/merge-patch+json'] }),
      params: IdParams,
      headers: IfMatch,
      body,
      response: { 200: resource.answer }
    },
    async change(request) {
      const { body, readOnly } = splitReadOnly(resource, request.body as Record<string, unknown>)
      const one = oneOf(request, resource)
      if (!isPatch) assertRules(resource, body)
      const assertSame = readOnly && assertUnchanged(readOnly, request.principal)
      const values = await toColumns(resource, body)
      const make = (on: ResourceContext) =>
        isPatch ? patchRow(on, one, values, body) : replaceRow(on, one, values, assertSame)
      return async (on) => answerStored(on, await guarded(on, request, { id: one.id, body }, make), request.principal)
    }
  }
}

// A patch of a JSON field is merged into the stored row, and the rules of the resource are checked on the merged row.
// The row is locked meanwhile, so that neither of two patches undoes the other, and two patches that keep the rules by
// themselves cannot break them together.
async function patchRow(context: ResourceContext, one: One, values: Columns, patch: object): Promise<Stored> {
  const { resource, db } = context
  if (!resource.declaration.rules && !patchesJson(resource, patch)) return updateRow(context, one, values)
  return db.transaction(async (tx) => {
    const on = inTransaction(context, tx)
    const row = openRow(await lockOne(on, one))
    const merged = mergeJsonFields(resource, row, patch, values)
    if ('error' in merged) throw merged.error
    assertRules(resource, mergePatch(row, merged.body))
    return updateRow(on, one, merged.columns)
  })
}

// The row is locked while its read-only fields are compared, so that they are unchanged when the others are set.
async function replaceRow(
  context: ResourceContext,
  one: One,
  values: Columns,
  assertSame: ReturnType<typeof assertUnchanged> | undefined
) {
  if (!assertSame) return updateRow(context, one, values)
  return context.db.transaction(async (tx) => {
    const on = inTransaction(context, tx)
    await assertSame(on, await lockOne(on, one))
    return updateRow(on, one, values)
  })
}

/**
 * Sets columns of a row, in one statement that also checks its owner and its version. The change is batched with others
 * that arrive at the same time. A change that the batch leaves out runs again alone: that tells the reason, or waits
 * for the transaction that holds the row.
 * @throws ApiError NOT_FOUND, or PRECONDITION_FAILED when it is no longer the version that the caller read.
 */
export async function updateRow(context: ResourceContext, one: One, values: Columns): Promise<Stored> {
  const { resource, db } = context
  // An empty patch changes nothing, so it ends here.
  if (Object.keys(values).length === 0) return readUnchanged(context, one)
  const stored = await context.batched?.update({ one, values })
  if (stored) return stored
  const used = Object.entries(resource.columns).filter(([key]) => key in values)
  const change = sql`jsonb_populate_recordset(null::${resource.table}, ${jsonRows(resource, [values])}::jsonb)`
  const statement = db
    .update(resource.table)
    .set({
      ...Object.fromEntries(used.map(([key, column]) => [key, sql`"@change".${bareName(column)}`])),
      updatedAt: sql`now()`,
      version: sql`${resource.columns.version} + 1`
    })
    .from(sql`${change} as "@change"`)
    .where(isOne(context, one))
    .returning(resource.stored.selection as Record<string, AnyPgColumn>)
    // The statement has no name, so it is not kept: there are as many such statements as there are choices of fields.
    .prepare(undefined as never)
  const [row] = await asArrays(statement).execute()
  return row ? resource.stored.read(row) : refuseOne(context, one)
}

const PATCHES =
  'Fields that are left out stay as they are, null removes a value (RFC 7396). With `If-Match` only the version that was read is changed.'
const REPLACES =
  'Fields that are left out get their default or null. The body may be what a read answered: fields that only the server writes are taken as they are, and refused (`readOnly`) where they differ. With `If-Match` only the version that was read is replaced.'
