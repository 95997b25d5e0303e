import fc from 'fast-check'
import { isPublic } from '../../openapi/credentials.ts'
import type { Operation } from '../../openapi/document.ts'
import { inputFor, type Row } from '../../openapi/references.ts'
import { noInput } from '../../openapi/request.ts'
import { rowsOf } from '../../openapi/resources.ts'
import { inputsOf } from '../../values/inputs.ts'
import { Fault } from '../finding.ts'
import { idOf, type Scene } from '../scene.ts'
import { type CheckMaker, check } from './check.ts'

/**
 * What another user sees of a row. A row with an owner is hidden from others; of every row, what a list hides a read hides,
 * too, and what cannot be read cannot be changed.
 */
export const hidden: CheckMaker = (session) => {
  const { otherKey, ownerFields } = session.target
  if (otherKey === undefined) return []
  return session.resources.flatMap((resource) => {
    const { create, read, list, update, remove } = resource
    const inputs = create && session.isTried(create) && !isPublic(read) && inputsOf(create, session.schemas, 0)
    if (!inputs) return []
    const { properties = {} } = session.schemas.flatten(resource.row)
    const isOwned = ownerFields.some((name) => name in properties)
    const updates = update && inputsOf(update, session.schemas, 0)
    return check({
      name: 'hidden',
      subject: resource.collection,
      weight: 3,
      inputs: fc.record({ create: inputs, update: updates ?? fc.constant(null) }),
      async run(scene, input) {
        const { row } = await scene.create(resource, input.create)
        if (!row) return
        const { status } = await scene.read(row, 'other')
        const isListed = list && (await lists(scene, list, row))
        if (isOwned && status < 400) throw new Fault('leaked', read.id, `another user reads the row: ${status}`)
        if (isOwned && isListed) throw new Fault('leaked', list.id, 'the row is in the list of another user')
        if (status === 200 && isListed === false && (await lists(scene, list as Operation, row, 'key')))
          throw new Fault('leaked', read.id, 'another user reads a row that is hidden from its list')
        if (status < 400) return
        if (update && input.update) {
          const changed = await scene.attempt(update, { ...input.update, path: row.path }, row, 'other')
          if (changed.status < 400)
            throw new Fault('leaked', update.id, `a user that may not read the row changes it: ${changed.status}`)
        }
        if (!remove) return
        const removed = await scene.attempt(remove, inputFor(row), row, 'other')
        if (removed.status < 400)
          throw new Fault('leaked', remove.id, `a user that may not read the row deletes it: ${removed.status}`)
      }
    })
  })
}

/** Whether a row is on the first page of a list; undefined where the list is refused. */
async function lists(
  scene: Scene,
  list: Operation,
  row: Row,
  caller: 'key' | 'other' = 'other'
): Promise<boolean | undefined> {
  const { status, json } = await scene.send(list, { ...noInput(), path: row.path }, caller)
  if (status !== 200) return undefined
  return (rowsOf(json) ?? []).some((one) => idOf(one, row.resource) === row.id)
}
