import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../../errors.ts'
import { documentedAs } from '../../schema/fields.ts'
import { etagOf, isNotModified } from '../conditional.ts'
import type { ResourceContext, Row } from '../context.ts'
import { attachIncludes } from '../includes.ts'
import { fieldsParameter, includeParameter, SparseSerializers } from '../query/fields.ts'
import { VERSION } from '../resource.ts'
import {
  IdParams,
  IfNoneMatch,
  type MakeRoute,
  NotModified,
  orSparse,
  ownerOf,
  sendText,
  serializeWith
} from '../route.ts'
import { openRow, readStored, type Stored } from '../stored.ts'

/** `GET /:id`: one row, or 304 when the caller has it already. */
export const readRoute: MakeRoute = (context) => {
  const { resource } = context
  const sparse = new SparseSerializers(resource.answer, (one) => one)
  return {
    method: 'GET',
    url: '/:id',
    access: 'read',
    schema: {
      summary: `Read ${resource.noun}`,
      params: IdParams,
      querystring: Type.Object(
        { fields: fieldsParameter(resource), ...includeParameter(resource) },
        { additionalProperties: false }
      ),
      headers: IfNoneMatch,
      response: { 200: documentedAs(resource.answer, orSparse(resource)), 304: NotModified }
    },
    async handler(request, reply) {
      const { fields, include } = (request as OneRequest).query
      const stored = await readOne(context, (request as OneRequest).params.id, ownerOf(request, resource))
      const etag = etagOf(stored[VERSION])
      reply.header('etag', etag)
      // What is included may have changed although this row did not.
      if (!include && isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send()
      if (resource.isPlain && !fields && !include) return sendText(reply, JSON.stringify(stored.wire))
      const row = openRow(stored)
      await attachIncludes(context, [row], { include, principal: request.principal })
      if (fields) serializeWith(reply, sparse.get([...fields, ...(include ?? [])]))
      return row
    }
  }
}

type OneRequest = FastifyRequest<{ Params: { id: string }; Querystring: { fields?: string[]; include?: string[] } }>

/**
 * One row by its id, as it is stored.
 * @throws ApiError NOT_FOUND when there is none, or it belongs to somebody else.
 */
export async function readOne(context: ResourceContext, id: string, ownerId: string | undefined): Promise<Stored> {
  const stored = await findStored(context, id.toLowerCase())
  // Whose it is, is asked of the row, so that all callers can share a statement.
  if (!stored || (ownerId !== undefined && stored['@owner'] !== ownerId)) throw notFound(context)
  return stored
}

/** The same, opened, with what is always added to it. */
export async function readRow(context: ResourceContext, id: string, ownerId: string | undefined): Promise<Row> {
  const row = openRow(await readOne(context, id, ownerId))
  await attachIncludes(context, [row])
  return row
}

function findStored(context: ResourceContext, id: string): Promise<Stored | undefined> {
  return context.gathered ? context.gathered.rows.get(id) : readStored(context, [id]).then((found) => found.get(id))
}

/** The answer for what is not there, or not this caller's: both look the same. */
export function notFound({ resource }: ResourceContext): ApiError {
  return new ApiError('NOT_FOUND', `There is no ${resource.declaration.schema.$id} with this id.`)
}
