import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { ApiError, validationFailed } from '#src/errors.ts'
import { compileValidator } from '#src/schema/validate.ts'
import type { Columns, Resource } from '../model.ts'
import { ruleFaults } from '../rules.ts'
import { toColumns } from '../write.ts'

/** One item of many, ready to be written, or what is wrong with it. */
export type Prepared<T> = { value: T } | { error: ApiError }

/** One item of many: as it was sent, and as column values; a patch has the id of its row among them. */
export interface Sent {
  body: object
  columns: Columns
}

export type Prepare<T> = (body: unknown) => Promise<Prepared<T>>

/** Makes what a create makes of its body, of one item: validated, its rules checked, as column values with an id. */
export function prepareCreate(resource: Resource): (ownerId: string | undefined) => Prepare<Sent> {
  const validate = compileValidator(resource.variants.Create, 'body')
  const { owner } = resource.declaration
  return (ownerId) =>
    async function prepare(body) {
      const valid = validate(body)
      if (valid !== true) return valid
      const faults = ruleFaults(resource, body)
      if (faults.length > 0) return { error: validationFailed(faults) }
      const columns = await transformed(resource, body)
      if ('error' in columns) return columns
      const { value } = columns
      if (owner) value[owner] = ownerId
      for (const [key, make] of resource.made) value[key] ??= make()
      return { value: { body: body as object, columns: value } }
    }
}

// A transform may refuse its value: that is the fault of one item. What fails in it fails the request.
async function transformed(resource: Resource, body: unknown): Promise<Prepared<Columns>> {
  try {
    return { value: await toColumns(resource, body as Record<string, unknown>) }
  } catch (error) {
    if (error instanceof ApiError && error.statusCode < 500) return { error }
    throw error
  }
}

/** The schema of a patch that names its row: `{ id, … }`. */
export function patchItem({ variants: { Update } }: Resource): TObject {
  const name = `${Update.$id}Item`
  return Type.Object(
    { id: Type.String({ format: 'uuid', description: 'The row to change.' }), ...Update.properties },
    { $id: name, title: name, additionalProperties: false }
  )
}

/** Makes of one item a patch, validated. */
export function preparePatch(resource: Resource): Prepare<Sent> {
  const validate = compileValidator(patchItem(resource), 'body')
  return async function prepare(body) {
    const valid = validate(body)
    if (valid !== true) return valid
    const { id, ...patch } = body as { id: string }
    const columns = await transformed(resource, patch)
    return 'error' in columns
      ? columns
      : { value: { body: patch, columns: { ...columns.value, id: id.toLowerCase() } } }
  }
}

/** An id, checked. */
export function prepareId(schema: TSchema): Prepare<string> {
  const validate = compileValidator(schema, 'body')
  return async function prepare(body) {
    const valid = validate(body)
    return valid === true ? { value: (body as string).toLowerCase() } : valid
  }
}
