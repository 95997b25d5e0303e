type Json = Record<string, unknown>

const NAME = 'x-component'
const INCLUDED = 'x-included'

/**
 * Marks every named schema of a route, and replaces a served schema by its documented one where they differ.
 * @fastify/swagger drops the `$id` of bodies and answers; the mark survives it.
 */
export function nameComponents(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(nameComponents)
  if (typeof schema !== 'object' || schema === null) return schema
  const { $id, 'x-documented': documented, ...rest } = schema as Json
  if (documented) return nameComponents({ ...(documented as Json), description: rest.description })
  const named = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, nameComponents(value)]))
  return typeof $id === 'string' ? { ...named, [NAME]: $id } : named
}

/**
 * Moves every marked schema to `components.schemas`, under its name, and refers to it.
 * @throws when two different schemas have one name.
 */
export function hoistComponents(document: object): object {
  const schemas: Record<string, unknown> = {}
  // The schema that its own resource documents wins over an included copy.
  const included: Record<string, unknown> = {}
  const seen = new Map<string, string>()
  function hoist(node: unknown): unknown {
    if (Array.isArray(node)) return node.map(hoist)
    if (typeof node !== 'object' || node === null) return node
    const { [NAME]: name, ...rest } = node as Json
    // A list in a query is comma-separated; OpenAPI says so at the parameter, not in its schema.
    if (rest.in === 'query' && (rest.schema as Json).type === 'array') {
      const { 'x-repeated': isRepeated = false, ...schema } = rest.schema as Json
      Object.assign(rest, { style: 'form', explode: isRepeated, schema })
    }
    const hoisted = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, hoist(value)]))
    if (typeof name !== 'string') return hoisted
    const { [INCLUDED]: isIncluded, ...schema } = hoisted
    if (isIncluded) {
      included[name] ??= schema
      return { $ref: `#/components/schemas/${name}` }
    }
    const content = JSON.stringify(hoisted)
    if ((seen.get(name) ?? content) !== content) throw new Error(`two different schemas have the $id '${name}'`)
    seen.set(name, content)
    schemas[name] = hoisted
    return { $ref: `#/components/schemas/${name}` }
  }
  const hoisted = hoist(document) as { components: Json }
  const sorted = Object.fromEntries(Object.entries({ ...included, ...schemas }).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...hoisted, components: { ...hoisted.components, schemas: sorted } }
}
