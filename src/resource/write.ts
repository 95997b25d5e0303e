import type { Resource } from './model.ts'

/**
 * A validated body as column values: each field under the name of its column, transformed where the resource says so.
 * Fields that the body does not have are left out.
 */
export async function toColumns(resource: Resource, body: Record<string, unknown>): Promise<Record<string, unknown>> {
  const transforms = (resource.declaration.transform ?? {}) as Record<string, (value: unknown) => unknown>
  const values: Record<string, unknown> = {}
  for (const { name, path, key, store } of resource.fields.values()) {
    const value = path.reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], body)
    if (value === undefined) continue
    const transform = transforms[name]
    const given = transform ? await transform(value) : value
    values[key] = store && given !== null ? store(given) : given
  }
  return values
}
