import type { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../../errors.ts'
import { allowLongBody } from '../../long-bodies.ts'
import { documentedAs } from '../../schema/fields.ts'
import type { OnConflict } from '../batch/insert.ts'
import { keysOf } from '../batch/keys.ts'
import { Loader } from '../batch/loader.ts'
import { prepareCreate } from '../batch/prepare.ts'
import { ImportReport, Report } from '../batch/report.ts'
import { insertGuarded } from '../batch/with-guard.ts'
import { finish } from '../change.ts'
import { csvColumns } from '../formats/csv.ts'
import { readCsv } from '../formats/csv-lines.ts'
import { readNdjson } from '../formats/ndjson.ts'
import { type MakeRoute, ownerOf } from '../route.ts'
import { onConflictSchema } from './bulk-create.ts'
import { CSV, NDJSON } from './export.ts'

/** `POST /import`: rows of any number, read and written as they come. */
export const importRoute: MakeRoute = (context) => {
  const { resource } = context
  const keys = keysOf(resource)
  const prepare = prepareCreate(resource)
  const columns = csvColumns(resource.variants.Create.properties)
  const readOnly = Object.keys(resource.variants.Response.properties).filter(
    (name) => !(name in resource.variants.Create.properties)
  )
  return {
    method: 'POST',
    url: '/import',
    access: 'write',
    bodyLimit: Number.MAX_SAFE_INTEGER,
    streams: [NDJSON, CSV],
    schema: {
      summary: `Import ${resource.name}`,
      description: `Any number of rows, as NDJSON or CSV, written while they come: 1,000 in a statement, each statement by itself, so what was written stays when a later row is refused or the connection ends. Each row is checked like a create; fields that only the server writes (${readOnly.join(', ')}) are passed over, so that what was exported can be imported. CSV has a header row; an empty cell is null where the field takes null and else left out, a quoted empty cell (\`""\`) an empty text, a list is JSON, and a field of an object has a dot in its name. A line may have 1 MiB.`,
      consumes: [NDJSON, CSV],
      querystring: Type.Object({ onConflict: onConflictSchema(keys) }, { additionalProperties: false }),
      body: documentedAs(Type.Unknown(), Type.String({ description: 'One row on each line.' })),
      response: { 200: ImportReport }
    },
    async handler(request, reply) {
      const { onConflict } = request.query as { onConflict: OnConflict }
      const ownerId = ownerOf(request, resource)
      allowLongBody(request.raw)
      const report = new Report()
      const loader = new Loader({
        ...context,
        report,
        prepare: prepare(request.principal?.userId),
        write: insertGuarded({ resource, keys, onConflict, ownerId }, request.principal),
        // Two rows for one key cannot be updated by one statement, so the second waits for the next.
        key: onConflict === 'update' ? keys.upsert?.key : undefined
      })
      const stream = request.body as Readable | undefined
      if (!stream) throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Send ${NDJSON} or ${CSV}.`)
      const isCsv = request.headers['content-type']?.startsWith(CSV)
      const load = async () => {
        for await (const lines of isCsv ? readCsv(stream, columns, readOnly) : readNdjson(stream)) {
          for (const line of lines)
            await loader.add('body' in line ? { ...line, body: without(readOnly, line.body) } : line)
        }
        await loader.end()
      }
      try {
        await finish(context, load)
      } catch (error) {
        // The rest of the body is not read any more.
        reply.header('connection', 'close')
        throw await interrupted(request, error, loader, report)
      }
      return report.toAnswer()
    }
  }
}

function without(names: string[], body: unknown): unknown {
  if (typeof body === 'object' && body !== null)
    for (const name of names) delete (body as Record<string, unknown>)[name]
  return body
}

// Says how far it came. What is under way is waited for, so that nothing is written after the answer.
async function interrupted(request: FastifyRequest, error: unknown, loader: Loader, report: Report): Promise<unknown> {
  await loader.settled()
  if (request.raw.aborted) return new ApiError('BAD_REQUEST', 'The body ended early.', { cause: error })
  /* c8 ignore next -- the database went away in the middle */
  if (!(error instanceof ApiError)) return error
  const { code, message, faults, headers } = error
  return new ApiError(code, message, { faults, headers, facts: { ...error.facts, ...report.counts() }, cause: error })
}
