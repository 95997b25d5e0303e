import type { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { takeTurns } from '#src/concurrency/turns.ts'
import type { Database } from '#src/db/database.ts'
import { finish } from '#src/http/change.ts'
import { toKnown } from '#src/http/send-error.ts'
import { ApiError } from '../../errors.ts'
import { maxValuesOf } from '../../schema/bounds.ts'
import { documentedAs } from '../../schema/fields.ts'
import type { Asked } from '../asked.ts'
import { keysOf, keyText } from '../bulk/constraints.ts'
import { type Commit, Loader } from '../bulk/loader.ts'
import type { Sent } from '../bulk/prepare.ts'
import { ImportReport, Report } from '../bulk/report.ts'
import { csvColumns } from '../formats/csv.ts'
import { readCsv } from '../formats/csv-lines.ts'
import { readNdjson } from '../formats/ndjson.ts'
import { importAsJob } from '../respond-async/run-import.ts'
import type { MakeRoute } from '../route.ts'
import { type Conflict, conflictSchemas, makeWriteOf } from './bulk-create.ts'
import { CSV, NDJSON } from './export.ts'

/** `POST /import`: rows of any number, read and written as they come. */
export const importRoute: MakeRoute = (context) => {
  const { resource } = context
  const keys = keysOf(resource)
  const writeOf = makeWriteOf(resource, keys)
  const maxValues = maxValuesOf(resource.variants.Create)
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
      description: `Any number of rows, as NDJSON or CSV, written while they come: 1,000 in a statement, each statement by itself, so what was written stays when a later row is refused or the connection ends. Each row is checked like a create, or with \`onConflict=update\` like a change where its key is stored already: columns that a CSV does not have keep what is stored; fields that only the server writes (${readOnly.join(', ')}) are passed over, so that what was exported can be imported. CSV has a header row; an empty cell is null where the field takes null and else left out, a quoted empty cell (\`""\`) an empty text, a list is JSON, and a field of an object has a dot in its name. A line may have 1 MiB. With an \`Idempotency-Key\` a repetition of an import that came to its end, with the same body, gets its report again; while it runs, \`409\`. One that did not come to its end leaves the key free, at once or, when the server died, within a minute: to repeat it then does with the rows that are there already what \`onConflict\` says.`,
      consumes: [NDJSON, CSV],
      querystring: Type.Object(conflictSchemas(keys), { additionalProperties: false }),
      body: documentedAs(Type.Unknown(), Type.String({ description: 'One row on each line.' })),
      response: { 200: ImportReport }
    },
    async stream(request, body, db) {
      const report = new Report()
      const loader = loaderOf(request, db, report)
      try {
        await load(request, body, loader)
      } catch (error) {
        throw await interrupted(error, loader, report, request)
      }
      const answer = report.toAnswer()
      return { status: 200, headers: {}, body: answer, ...(answer.failed > 0 && { minimalBody: answer }) }
    },
    asJob: { kind: 'import', run: (job) => finish(context, () => importAsJob(context.db, job, { loaderOf, load })) }
  }

  function loaderOf(asked: Asked, db: Database, report: Report, commit?: Commit): Loader {
    const { key, prepare, write } = writeOf(asked, asked.query as Conflict, 'query')
    // Two rows for one key cannot be changed by one statement, so the second waits for the next.
    const keyOf = key && (({ columns }: Sent) => keyText(key, columns))
    return new Loader({ resource, db, report, prepare, write, keyOf, ...(commit && { commit }) })
  }

  async function load({ headers }: Asked, body: Readable, loader: Loader, from = 0): Promise<void> {
    const pause = takeTurns()
    const isCsv = headers['content-type']?.startsWith(CSV)
    for await (const lines of isCsv
      ? readCsv(body, { columns, ignored: readOnly, maxValues }, pause)
      : readNdjson(body, maxValues, pause)) {
      for (const line of lines) {
        await pause()
        if (line.line > from) await loader.add('body' in line ? { ...line, body: without(readOnly, line.body) } : line)
      }
    }
    await loader.end()
  }
}

function without(names: string[], body: unknown): unknown {
  if (typeof body === 'object' && body !== null)
    for (const name of names) delete (body as Record<string, unknown>)[name]
  return body
}

// Reports how far the import came. It waits for the running batch, so that nothing is written after the answer.
async function interrupted(error: unknown, loader: Loader, report: Report, request: FastifyRequest): Promise<unknown> {
  await loader.settled()
  const { code, message, faults, headers, facts } = toKnown(error, request)
  return new ApiError(code, message, { faults, headers, facts: { ...facts, ...report.counts() }, cause: error })
}
