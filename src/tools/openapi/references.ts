import type { Operation } from './document.ts'
import { noInput, type OperationInput } from './request.ts'
import { isScalar, type Resource, resourceOfField, resourceOfParameter } from './resources.ts'
import { isObject, type Json, type Schema } from './schema.ts'
import type { Schemas } from './schemas.ts'

/** A row that exists on the server. */
export interface Row {
  resource: Resource
  id: Json
  /** The parameters of its path, its own id included. */
  path: Record<string, Json>
  /** What the server answered when it was made. */
  value: Json
}

/** Gives a row of a resource that a reference can name; undefined where none can be made. */
export type RowSource = (resource: Resource) => Promise<Row | undefined>

/**
 * Puts ids of rows that exist in the places of a path and a body that name a resource. A place that is null, and one for
 * which no row can be had, stays as it is.
 * @param except a JSON pointer into the body to what stays as it is.
 */
export async function withReferences(
  operation: Operation,
  input: OperationInput,
  resources: Resource[],
  schemas: Schemas,
  rowOf: RowSource,
  except?: string
): Promise<OperationInput> {
  const path = { ...input.path }
  for (const name of Object.keys(path)) {
    const resource = resourceOfParameter(resources, operation.path, name)
    const row = resource && (await rowOf(resource))
    if (row) Object.assign(path, row.path, { [name]: row.id })
  }
  const schema = Object.entries(operation.body?.content ?? {}).find(([media]) => media === input.contentType)?.[1]
    .schema
  if (!schema || input.body === undefined) return { ...input, path }
  return { ...input, path, body: await fill(schema, input.body, '') }

  async function fill(given: Schema, value: Json, at: string, field?: string): Promise<Json> {
    if (at === except) return value
    const schema = schemas.flatten(given)
    if (Array.isArray(value)) {
      const filled: Json[] = []
      for (const [index, one] of value.entries())
        filled.push(await fill(schema.items ?? {}, one, `${at}/${index}`, field))
      return filled
    }
    if (isObject(value)) {
      const branch = (schema.anyOf ?? schema.oneOf ?? [schema]).find((one) => schemas.fits(one, value)) ?? schema
      const { properties = {} } = schemas.flatten(branch)
      const filled: { [name: string]: Json } = {}
      for (const [name, one] of Object.entries(value)) {
        const property = properties[name]
        filled[name] = property ? await fill(property, one, `${at}/${name}`, name) : one
      }
      return filled
    }
    if (field === undefined || value === null || !isScalar(schema)) return value
    const resource = resourceOfField(resources, operation.path, field)
    return (resource && (await rowOf(resource)))?.id ?? value
  }
}

/** The input that reads, changes or deletes a row. */
export const inputFor = (row: Row): OperationInput => ({ ...noInput(), path: row.path })
