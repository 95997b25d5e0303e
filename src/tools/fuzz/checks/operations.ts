import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { badCredentials, isPublic } from '../../openapi/credentials.ts'
import type { Operation } from '../../openapi/document.ts'
import type { OperationInput } from '../../openapi/request.ts'
import { inputsOf, invalidInputsOf } from '../../values/inputs.ts'
import { Fault } from '../finding.ts'
import type { Scene } from '../scene.ts'
import { type CheckMaker, check } from './check.ts'

const MAX_SAME_TRIES = 3

/** Valid inputs of every operation: the answer is as documented, and a GET that follows at once answers the same. */
export const validInputs: CheckMaker = (session) =>
  session.operations
    .filter((one) => session.isTried(one))
    .flatMap((operation) => {
      const inputs = inputsOf(operation, session.schemas)
      if (!inputs) return []
      return check({
        name: 'valid input',
        subject: operation.id,
        weight: 2,
        // Ids that exist make most of the requests worth while; some name rows that do not.
        inputs: fc.record({ input: inputs, isLinked: fc.nat({ max: 7 }).map((one) => one < 7) }),
        async run(scene, { input, isLinked }) {
          const sent = withoutPreference(operation, isLinked ? await scene.filled(operation, input) : input)
          const row = isLinked ? await scene.rowOf(operation) : undefined
          const answer = await scene.attempt(operation, sent, row)
          if (operation.method === 'GET' && answer.status === 200) await expectSame(scene, operation, sent)
        }
      })
    })

// Where rows are made, the answer must name them, so that they can be deleted: `Prefer` can ask for one that does not.
function withoutPreference({ method }: Operation, input: OperationInput): OperationInput {
  if (method !== 'POST') return input
  const header = Object.fromEntries(Object.entries(input.header).filter(([name]) => name.toLowerCase() !== 'prefer'))
  return { ...input, header }
}

// An answer may tell the time or count something on its own: one that differs each time it is read, of a resource, may not.
async function expectSame(scene: Scene, operation: Operation, input: OperationInput): Promise<void> {
  const isOfResource = scene.session.resources.some(({ collection }) =>
    `${operation.path}/`.startsWith(`${collection}/`)
  )
  if (!isOfResource) return
  for (let tries = 0; tries < MAX_SAME_TRIES; tries += 1) {
    const [one, two] = [await scene.send(operation, input), await scene.send(operation, input)]
    if (one.status === two.status && isDeepStrictEqual(one.json ?? one.text, two.json ?? two.text)) return
  }
  throw new Fault('not_the_same', operation.id, 'two GETs in a row answer differently')
}

/** Inputs with one fault: they are refused with a documented 4xx, and nothing changes. */
export const invalidInputs: CheckMaker = (session) =>
  session.operations
    .filter((one) => session.isTried(one))
    .flatMap((operation) => {
      const inputs = invalidInputsOf(operation, session.schemas)
      if (!inputs) return []
      return check({
        name: 'invalid input',
        subject: operation.id,
        weight: 3,
        inputs,
        async run(scene, { input, in: place, at, fault }) {
          const isWrongPath = place === 'path'
          const sent = isWrongPath ? input : await scene.filled(operation, input, place === 'body' ? at : undefined)
          const row = isWrongPath ? undefined : await scene.rowOf(operation)
          const { status } = await scene.attempt(operation, sent, row)
          if (status < 400)
            throw new Fault(
              'invalid_accepted',
              operation.id,
              `${status} for ${fault} at ${place} ${at}`,
              `${place} ${at}`
            )
        }
      })
    })

/** No credential, and ones that are none: no operation that needs one does anything. */
export const credentials: CheckMaker = (session) => {
  const { key } = session.target
  if (key === undefined) return []
  const kinds = ['none', ...badCredentials(key).keys()]
  return session.operations
    .filter((one) => session.isTried(one) && !isPublic(one))
    .flatMap((operation) => {
      const inputs = inputsOf(operation, session.schemas, 0)
      if (!inputs) return []
      return check({
        name: 'credential',
        subject: operation.id,
        weight: 0.3,
        inputs: fc.record({ input: inputs, kind: fc.constantFrom(...kinds) }),
        async run(scene, { input, kind }) {
          const caller = kind === 'none' ? 'none' : { bad: badCredentials(key)[kind as number] as string }
          const sent = await scene.filled(operation, input)
          const { status } = await scene.attempt(operation, sent, await scene.rowOf(operation), caller)
          const what = kind === 'none' ? 'no credential' : 'a credential that is none'
          if (status < 400) throw new Fault('credential_ignored', operation.id, `${status} with ${what}`, what)
        }
      })
    })
}
