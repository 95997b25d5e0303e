type Json = unknown

const NOTES = new Set([
  '$id',
  'title',
  'description',
  'examples',
  'x-documented',
  'x-any-shape',
  'x-included',
  'x-max-values',
  'x-personal'
])
// An answer was validated on its way in: a serializer only needs the shape.
const CHECKS = new Set([
  ...NOTES,
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'default',
  'readOnly'
])
const VERBATIM = new Set(['default', 'enum', 'const'])

/** A schema without the keywords for documentation: equal content means an equal validator. */
export const contentOf = (schema: Json): Json => without(schema, NOTES, false)

/** A schema without the keywords for validation too: equal shape means an equal serializer. */
export const shapeOf = (schema: Json): Json => without(schema, CHECKS, false)

// Inside `properties` the keys are field names of the resource ("description" is a common one), not keywords.
function without(node: Json, dropped: Set<string>, isPropertyMap: boolean): Json {
  if (Array.isArray(node)) return node.map((one) => without(one, dropped, false))
  if (typeof node !== 'object' || node === null) return node
  const result: Record<string, Json> = {}
  for (const [key, value] of Object.entries(node)) {
    if (!isPropertyMap && dropped.has(key)) continue
    const isVerbatim = !isPropertyMap && VERBATIM.has(key)
    result[key] = isVerbatim ? value : without(value, dropped, !isPropertyMap && key === 'properties')
  }
  return result
}
