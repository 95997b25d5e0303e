interface Schema {
  content?: Record<string, { schema: Schema }>
  type?: string | string[]
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  const?: unknown
  additionalProperties?: unknown
  patternProperties?: unknown
  'x-any-shape'?: string
}

/** What the check needs to know of a route. */
interface CheckedRoute {
  method: string | string[]
  url: string
  config?: { access?: unknown; timeoutSeconds?: unknown }
  schema?: { hide?: boolean; response?: unknown }
}

/**
 * A route is open, never has enough time, or sends undeclared fields. It stops the start; the message names the route.
 */
export class RouteError extends Error {
  override name = 'RouteError'
}

/**
 * Checks that every route declares its access and its answers, that no field is sent by default, and that a route's
 * time limit is a valid one. A schema that must be open says why: `'x-any-shape': '<reason>'`.
 * @throws RouteError naming the first route that does not.
 */
export function checkRoutes(routes: Iterable<CheckedRoute>): void {
  for (const { method, url, config, schema } of routes) {
    const name = `${method} ${url}`
    if (!config?.access) throw new RouteError(`${name} has no access policy: set config.access on the route`)
    const { timeoutSeconds = 1 } = config
    if (!(Number.isFinite(timeoutSeconds) && (timeoutSeconds as number) > 0))
      throw new RouteError(`${name} has timeoutSeconds ${timeoutSeconds}: it must be greater than 0`)
    if (schema?.hide) continue
    const answers = Object.entries((schema?.response ?? {}) as Record<string, Schema>)
    if (answers.length === 0) throw new RouteError(`${name} has no schema for its answers`)
    for (const [status, answer] of answers) {
      const bodies = answer.content ? Object.values(answer.content).map((one) => one.schema) : [answer]
      const place = bodies.map((body) => openPlace(body, '')).find((one) => one !== undefined)
      if (place !== undefined)
        throw new RouteError(`${name} ${status} may send anything at '${place || '/'}': declare its fields`)
    }
  }
}

function openPlace(schema: Schema, path: string): string | undefined {
  if (schema['x-any-shape']) return undefined
  if (schema.anyOf)
    return firstOf(
      schema.anyOf.map((one, index) => [String(index), one]),
      path
    )
  if ('const' in schema) return undefined
  const types = [schema.type].flat()
  if (types.includes('array')) return schema.items ? openPlace(schema.items, `${path}/*`) : path
  if (types.includes('object')) {
    const isOpen = !schema.properties || schema.additionalProperties || schema.patternProperties
    return isOpen ? path : firstOf(Object.entries(schema.properties as Record<string, Schema>), path)
  }
  return schema.type === undefined ? path : undefined
}

function firstOf(schemas: [string, Schema][], path: string): string | undefined {
  for (const [name, schema] of schemas) {
    const place = openPlace(schema, `${path}/${name}`)
    if (place !== undefined) return place
  }
  return undefined
}
