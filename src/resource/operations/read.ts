import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { etagOf, isNotModified, partEtag } from '#src/http/conditional.ts'
import { sendText } from '../../http/answer.ts'
import { IdParams, IfNoneMatch, NotModified } from '../../http/schemas.ts'
import { openRow, type Stored, VERSION } from '../model.ts'
import { fieldsParameter, includeParameter, pickFields, SparseSerializers } from '../query/fields.ts'
import type { MakeRoute } from '../route.ts'
import { attachIncludes } from '../rows/includes.ts'
import { ownerOf } from '../rows/ownership.ts'
import { readOne } from '../rows/read-one.ts'

/** `GET /:id`: one row, or 304 when the caller has it already. */
export const readRoute: MakeRoute = (context) => {
  const { resource } = context
  const sparse = new SparseSerializers(resource.answer, (one) => one)

  // Some of the row's fields, or more than those.
  async function partOf(stored: Stored, { query: { fields, include }, principal }: OneRequest): Promise<string> {
    if (resource.isPlain && !include) return JSON.stringify(pickFields(stored.wire, fields as string[]))
    const row = openRow(stored)
    await attachIncludes(context, [row], { include, principal })
    return fields ? sparse.get([...fields, ...(include ?? [])])(row) : resource.serialize(row)
  }

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
      const isWhole = resource.isPlain && !include && !fields
      const body = isWhole ? undefined : await partOf(stored, request as OneRequest)
      const etag = body === undefined ? etagOf(stored[VERSION]) : partEtag(stored[VERSION], body)
      reply.header('etag', etag)
      if (isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send()
      return sendText(reply, body ?? JSON.stringify(stored.wire))
    }
  }
}

type OneRequest = FastifyRequest<{ Params: { id: string }; Querystring: { fields?: string[]; include?: string[] } }>
