import { ApiError } from '#src/errors.ts'
import type { ResourceContext } from '../context.ts'
import { openRow, type Row, type Stored } from '../model.ts'
import { attachIncludes } from './includes.ts'
import { readStored } from './one-statement.ts'
import { belongsTo } from './ownership.ts'

/**
 * One row by its id, as it is stored.
 * @throws ApiError NOT_FOUND when there is none, or it belongs to another owner.
 */
export async function readOne(context: ResourceContext, id: string, ownerId: string | undefined): Promise<Stored> {
  const stored = await findStored(context, id.toLowerCase())
  // Check the owner after the read, so that one batched statement can serve several users.
  if (!stored || !belongsTo(stored, ownerId)) throw notFound(context)
  return stored
}

/** The same row in one object, with the includes that are always added to it. */
export async function readRow(context: ResourceContext, id: string, ownerId: string | undefined): Promise<Row> {
  const row = openRow(await readOne(context, id, ownerId))
  await attachIncludes(context, [row])
  return row
}

function findStored(context: ResourceContext, id: string): Promise<Stored | undefined> {
  return context.batched ? context.batched.rows.get(id) : readStored(context, [id]).then((found) => found.get(id))
}

/** The error for a row that does not exist or belongs to another owner: both look the same. */
export function notFound({ resource }: ResourceContext): ApiError {
  return new ApiError('NOT_FOUND', `There is no ${resource.declaration.schema.$id} with this id.`)
}
