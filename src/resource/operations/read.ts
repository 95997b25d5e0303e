import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { etagOf, isNotModified } from '#src/http/conditional.ts'
import { sendText, serializeWith } from '../../http/answer.ts'
import { IdParams, IfNoneMatch, NotModified } from '../../http/schemas.ts'
import { openRow, VERSION } from '../model.ts'
import { fieldsParameter, includeParameter, pickFields, SparseSerializers } from '../query/fields.ts'
import type { MakeRoute } from '../route.ts'
import { attachIncludes } from '../rows/includes.ts'
import { ownerOf } from '../rows/ownership.ts'
import { readOne } from '../rows/read-one.ts'

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
      description:
        'With its `ETag`, for a later `If-Match`. What belongs to somebody else is 404, as if it did not exist.',
      params: IdParams,
      querystring: Type.Object(
        { fields: fieldsParameter(resource), ...includeParameter(resource) },
        { additionalProperties: false }
      ),
      headers: IfNoneMatch,
      response: { 200: resource.answer, 304: NotModified }
    },
    async handler(request, reply) {
      const { fields, include } = (request as OneRequest).query
      const stored = await readOne(context, (request as OneRequest).params.id, ownerOf(request, resource))
      const etag = etagOf(stored[VERSION])
      reply.header('etag', etag)
      // What is included may have changed although this row did not.
      if (!include && isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send()
      if (resource.isPlain && !include)
        return sendText(reply, JSON.stringify(fields ? pickFields(stored.wire, fields) : stored.wire))
      const row = openRow(stored)
      await attachIncludes(context, [row], { include, principal: request.principal })
      if (fields) serializeWith(reply, sparse.get([...fields, ...(include ?? [])]))
      return row
    }
  }
}

type OneRequest = FastifyRequest<{ Params: { id: string }; Querystring: { fields?: string[]; include?: string[] } }>
