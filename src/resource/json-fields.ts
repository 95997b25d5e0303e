import { type TSchema, Type } from '@sinclair/typebox'
import { type ApiError, validationFailed } from '../errors.ts'
import { bare, isNullable } from '../schema/fields.ts'
import { compileValidator } from '../schema/validate.ts'
import { jsonPatch } from '../schema/variants.ts'
import type { Columns, Field, JsonField, Resource } from './model.ts'

/** The JSON fields among the fields of a resource. */
export const jsonFieldsOf = (fields: Iterable<Field>): JsonField[] =>
  [...fields]
    .filter(({ path, schema }) => path.length === 1 && !schema.readOnly && bare(schema).type === 'object')
    .map((field) => {
      const whole = Type.Object({ [field.name]: bare(field.schema) })
      return { field, validate: compileValidator(whole as never, 'body') }
    })

/** The schema of a patch of a resource, where JSON fields take a patch of their members: null deletes one. */
export function withJsonPatches(update: TSchema, fields: JsonField[]): TSchema {
  if (fields.length === 0) return update
  const patches = fields.map(({ field: { name } }) => [name, Type.Optional(jsonPatch(update.properties[name]))])
  return { ...update, properties: { ...update.properties, ...Object.fromEntries(patches) } }
}

/** Whether a patch changes the inside of a JSON field, so that it has to be merged into the stored row. */
export const patchesJson = ({ json }: Resource, patch: object): boolean =>
  json.length > 0 && json.some(({ field: { name } }) => isObject((patch as Columns)[name]))

/**
 * A patch with the complete new value of each JSON field, and its columns.
 * @param row the stored row as the wire shows it, locked until the patch is written.
 * @returns the error that names the fault of a merged value, when there is one.
 */
export function mergeJsonFields(
  { json }: Resource,
  row: object,
  patch: object,
  columns: Columns
): { body: object; columns: Columns } | { error: ApiError } {
  const merged = { body: { ...patch } as Columns, columns: { ...columns } }
  const errors: ApiError[] = []
  for (const { field, validate } of json) {
    const value = (patch as Columns)[field.name]
    if (!isObject(value)) continue
    const whole = mergeJson(field.schema, (row as Columns)[field.name], value)
    const valid = validate({ [field.name]: whole })
    if (valid !== true) errors.push(valid.error)
    merged.body[field.name] = whole
    merged.columns[field.key] = whole
  }
  return errors.length > 0 ? { error: validationFailed(errors.flatMap(({ faults }) => faults)) } : merged
}

// RFC 7396: null deletes a member, unless the member itself may be null; a list is a value.
function mergeJson(schema: TSchema, stored: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const { properties = {}, additionalProperties } = bare(schema)
  const merged: Columns = isObject(stored) ? { ...stored } : {}
  for (const [name, value] of Object.entries(patch)) {
    const member = (properties[name] ?? (isObject(additionalProperties) ? additionalProperties : {})) as TSchema
    if (value === null && !isNullable(member)) delete merged[name]
    else merged[name] = mergeJson(member, Object.hasOwn(merged, name) ? merged[name] : undefined, value)
  }
  return merged
}

const isObject = (value: unknown): value is Columns =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
