import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Answer } from '../../openapi/client.ts'
import type { Operation } from '../../openapi/document.ts'
import { inputFor, type Row } from '../../openapi/references.ts'
import type { OperationInput } from '../../openapi/request.ts'
import { isObject, type Json, type JsonObject, type Schema } from '../../openapi/schema.ts'
import { inputsOf, jsonBody } from '../../values/inputs.ts'
import { changedFields, lostPlace } from '../equality.ts'
import { Fault } from '../finding.ts'
import type { Scene } from '../scene.ts'
import { type CheckMaker, check } from './check.ts'

/**
 * The life of a row: it is made, read, changed, replaced, deleted. What was written is read back, a change touches only what
 * it was sent, and the ETag moves with the row.
 */
export const lifecycle: CheckMaker = (session) =>
  session.resources.flatMap((resource) => {
    const { create, update, replace, remove } = resource
    const creates = create && session.isTried(create) && inputsOf(create, session.schemas, 0)
    if (!creates) return []
    const optional = (operation: Operation | undefined) => {
      const inputs = operation && session.isTried(operation) ? inputsOf(operation, session.schemas, 0) : undefined
      return inputs ? fc.option(inputs, { nil: null, freq: 4 }) : fc.constant(null)
    }
    return check({
      name: 'lifecycle',
      subject: resource.collection,
      weight: 8,
      inputs: fc.record({
        create: creates,
        update: optional(update),
        replace: optional(replace),
        isRemoved: fc.boolean()
      }),
      async run(scene, inputs) {
        const { sent, row } = await scene.create(resource, inputs.create)
        if (!row) return
        scene.share(row)
        expectWritten(scene, create, sent, row.value, resource.row)
        const read = await expectRead(scene, row)
        expectWritten(scene, create, sent, read.json, resource.row)
        if (inputs.update && update) await expectPatched(scene, row, update, inputs.update)
        if (inputs.replace && replace) {
          const replaced = await scene.filled(replace, inputs.replace)
          const { status } = await scene.attempt(replace, replaced, row)
          if (status < 300) expectWritten(scene, replace, replaced, (await expectRead(scene, row)).json, resource.row)
        }
        if (inputs.isRemoved && remove && session.isTried(remove)) await expectGone(scene, row, remove)
      }
    })
  })

function expectWritten(
  scene: Scene,
  operation: Operation,
  sent: OperationInput,
  read: Json | undefined,
  row: Schema
): void {
  if (!isObject(sent.body) || !isObject(read)) return
  const place = lostPlace(sent.body, read, row, scene.session.schemas)
  if (place !== undefined) throw new Fault('not_read_back', operation.id, `${place} is not what was written`, place)
  const lost = lostDefault(scene, operation, sent.body, read)
  if (lost) throw new Fault('not_read_back', operation.id, `/${lost} is not its default`, `/${lost}`)
}

/** A field that was left out and does not have the default that the document promises. */
function lostDefault(scene: Scene, operation: Operation, sent: JsonObject, read: JsonObject): string | undefined {
  const { properties = {} } = scene.session.schemas.flatten(jsonBody(operation)?.schema as Schema)
  return Object.entries(properties).find(([name, property]) => {
    const { default: standard } = scene.session.schemas.flatten(property)
    const isLeftOut = !(name in sent)
    return isLeftOut && standard !== undefined && name in read && !isDeepStrictEqual(read[name], standard)
  })?.[0]
}

/** Reads a row that must be there, and once more with its ETag. */
async function expectRead(scene: Scene, row: Row): Promise<Answer> {
  const { read } = row.resource
  const answer = await scene.read(row)
  if (answer.status !== 200)
    throw new Fault('not_found_again', read.id, `the row is there, and reading it is ${answer.status}`)
  const again = await scene.read(row)
  if (!isDeepStrictEqual(answer.json, again.json) || answer.headers.etag !== again.headers.etag)
    throw new Fault('not_the_same', read.id, 'two GETs in a row answer differently')
  return answer
}

async function expectPatched(scene: Scene, row: Row, update: Operation, input: OperationInput): Promise<void> {
  const { read, row: schema } = row.resource
  const { schemas } = scene.session
  const before = await scene.read(row)
  const sent = await scene.filled(update, input)
  const { status } = await scene.attempt(update, sent, row)
  if (status >= 300) return
  const after = await expectRead(scene, row)
  if (!isObject(sent.body) || !isObject(before.json) || !isObject(after.json)) return
  const written = mergedMembers(sent.body, before.json)
  const place = lostPlace(written, after.json, schema, schemas)
  if (place !== undefined) throw new Fault('not_read_back', update.id, `${place} is not what was written`, place)

  const { properties = {} } = schemas.flatten(jsonBody(update)?.schema as Schema)
  const writable = Object.keys(properties)
  const isFree = (name: string) => !writable.includes(name) || Object.hasOwn(sent.body as object, name)
  const [other] = changedFields(before.json, after.json, isFree)
  if (other !== undefined)
    throw new Fault('patch_changed_more', update.id, `${other} was not sent, and has changed`, other)

  const etag = before.headers.etag
  if (etag === undefined || changedFields(before.json, after.json, () => false).length === 0) return
  if (after.headers.etag === etag) throw new Fault('etag', read.id, 'the row has changed, and its ETag is the same')
  const stale = await scene.read(row, 'key', { 'if-none-match': etag })
  if (stale.status === 304) throw new Fault('etag', read.id, 'the ETag is an old one, and the answer to it is 304')
  const isConditional = update.parameters.some(({ name }) => name.toLowerCase() === 'if-match')
  if (!isConditional) return
  const refused = await scene.attempt(update, { ...sent, header: { ...sent.header, 'if-match': etag } }, row)
  if (refused.status < 300)
    throw new Fault('etag', update.id, `If-Match has an old ETag, and the answer is ${refused.status}`)
}

// A patch of an object merges into it (RFC 7396): null deletes a member, so it is not read back.
function mergedMembers(sent: JsonObject, before: JsonObject): JsonObject {
  const merged = Object.entries(sent).map(([name, value]) => {
    if (!isObject(value) || !isObject(before[name])) return [name, value] as const
    return [name, Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null))] as const
  })
  return Object.fromEntries(merged)
}

async function expectGone(scene: Scene, row: Row, remove: Operation): Promise<void> {
  const { status } = await scene.attempt(remove, inputFor(row), row)
  if (status >= 300) return
  const after = await scene.read(row)
  if (after.status < 400)
    throw new Fault('still_there', remove.id, `it answered ${status}, and reading the row is ${after.status}`)
}
