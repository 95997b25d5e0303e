import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '#src/identity/principal.ts'
import { validationFailed } from '../../errors.ts'
import { answerStored } from '../answer.ts'
import type { ResourceContext } from '../context.ts'
import type { Resource, Stored } from '../model.ts'

type Fields = Record<string, unknown>

/** A replacing body without the fields that only the server writes, and these apart; undefined when it has none. */
export function splitReadOnly(resource: Resource, sent: Fields): { body: Fields; readOnly: Fields | undefined } {
  const { properties } = resource.declaration.schema
  const names = Object.keys(sent).filter((name) => properties[name]?.readOnly)
  if (names.length === 0) return { body: sent, readOnly: undefined }
  const body = { ...sent }
  const readOnly: Fields = {}
  for (const name of names) {
    readOnly[name] = sent[name]
    delete body[name]
  }
  return { body, readOnly }
}

/**
 * Compares read-only fields with those of the answer to a read of the caller's.
 * @throws ApiError VALIDATION_FAILED, naming each field that differs.
 */
export const assertUnchanged =
  (readOnly: Fields, principal: Principal | null) =>
  async (context: ResourceContext, stored: Stored): Promise<void> => {
    const { body } = await answerStored(context, stored, principal)
    const row = JSON.parse(body as string) as Fields
    const changed = Object.keys(readOnly).filter((name) => !isDeepStrictEqual(row[name], readOnly[name]))
    if (changed.length === 0) return
    const message = 'is set by the server, and is not the value of the row: read it again, or leave the field out'
    throw validationFailed(changed.map((name) => ({ in: 'body', path: `/${name}`, code: 'readOnly', message })))
  }
