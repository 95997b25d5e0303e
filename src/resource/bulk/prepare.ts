import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { ApiError, validationFailed } from '#src/errors.ts'
import { compileValidator } from '#src/schema/validate.ts'
import type { Columns, Resource } from '../model.ts'
import { ruleFaults } from '../rules.ts'
import { toColumns } from '../write.ts'
import type { UpsertKey } from './constraints.ts'

/** One item of many, ready to be written, or its error. */
export type Prepared<T> = { value: T } | { error: ApiError }

/** One item of many: as it was sent, and as column values; a patch has the id of its row among them. */
export interface Sent {
  body: object
  columns: Columns
  /** For an upsert: the columns that a stored row gets. */
  patch?: Columns
  /** For an upsert: why the item cannot be a new row. */
  insertError?: ApiError
}

export type Prepare<T> = (body: unknown) => Promise<Prepared<T>>

/** Prepares one item as a create prepares its body: validated, its rules checked, as column values with an id. */
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

/**
 * Prepares an item that changes a stored row or becomes a new one. A stored row gets only the fields that were sent, so
 * the item needs only its key; a new row needs all that a create needs, and gets the defaults. With `replace` a stored
 * row gets the same as a new one.
 */
export function prepareUpsert(
  resource: Resource,
  isReplace: boolean
): (ownerId: string | undefined, key: UpsertKey) => Prepare<Sent> {
  const create = prepareCreate(resource)
  const validateFor = new Map<string, ReturnType<typeof compileValidator>>()
  const fields = [...resource.fields.values()]
  return (ownerId, key) => {
    const asNew = create(ownerId)
    const validate = validateFor.get(key.name) ?? compileValidator(upsertItem(resource, key), 'body')
    validateFor.set(key.name, validate)
    return async function prepare(body) {
      // Validation fills in the defaults of a create.
      const sent = structuredClone(body) as Record<string, unknown>
      const isChange = !isReplace && validate(sent) === true
      const made = await asNew(body)
      // What is valid as a new row is valid as a change of a stored one, too.
      if ('error' in made) return isChange ? changeOnly(sent, made.error, ownerId) : made
      const patch: Columns = {}
      for (const { key: column, path } of fields)
        if (isReplace ? column in made.value.columns : valueAt(sent, path) !== undefined)
          patch[column] = made.value.columns[column]
      return { value: { body: isReplace ? made.value.body : sent, columns: made.value.columns, patch } }
    }
  }

  async function changeOnly(sent: object, insertError: ApiError, ownerId: string | undefined): Promise<Prepared<Sent>> {
    const columns = await transformed(resource, sent)
    if ('error' in columns) return columns
    const { owner } = resource.declaration
    const whole = { ...columns.value, ...(owner && { [owner]: ownerId }) }
    for (const [key, make] of resource.made) whole[key] ??= make()
    return { value: { body: sent, columns: whole, patch: columns.value, insertError } }
  }
}

const valueAt = (body: unknown, path: string[]) =>
  path.reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], body)

/** The schema of an item that changes a stored row: all may be left out but the fields of its key. */
export function upsertItem({ variants: { Update, Create } }: Resource, { fields }: UpsertKey): TObject {
  const name = `${Update.$id}ByKey`
  const required = new Set(fields.map((field) => field.split('.')[0] as string))
  const properties = Object.entries(Update.properties as Record<string, TSchema>).map(([field, schema]) => [
    field,
    required.has(field) ? Create.properties[field] : schema
  ])
  return Type.Object(Object.fromEntries(properties), { $id: name, title: name, additionalProperties: false })
}

// A transform may refuse its value: that is the fault of one item. An error of the transform itself fails the request.
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

/** Prepares one item as a validated patch. */
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
