import type { App } from '../open.ts'
import { type Finding, findingOf } from './finding.ts'

interface Schema {
  type?: string | string[]
  format?: string
  examples?: unknown[]
  default?: unknown
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  items?: Schema
}

/** Routes with a body of which the document cannot show an example: a text in it has none. */
export function routesWithoutExamples(routes: Iterable<App['routeTable'][number]>): Finding[] {
  const found = findingOf('examples')
  return [...routes].flatMap(({ method, url, schema }) => {
    const { body, hide, consumes } = (schema ?? {}) as { body?: Schema; hide?: boolean; consumes?: string[] }
    const isJson = consumes === undefined || consumes.some((type) => type.includes('json'))
    const place = body && !hide && isJson ? placeWithout(body, '') : undefined
    if (place === undefined) return []
    return [found(`${method} ${url} has no example of ${place || 'its body'}`, 'give its schema one: examples: […]')]
  })
}

function placeWithout(schema: Schema, path: string): string | undefined {
  const { type, format, examples, anyOf, properties, items } = schema
  const isKnown = ['default', 'const', 'enum', 'format'].some((word) => word in schema)
  if (isKnown || format !== undefined || examples?.length) return undefined
  if (anyOf) return placeWithout(anyOf[0] as Schema, path)
  for (const [name, one] of Object.entries(properties ?? {})) {
    const place = placeWithout(one, `${path}/${name}`)
    if (place !== undefined) return place
  }
  if (items) return placeWithout(items, `${path}/*`)
  return [type].flat()[0] === 'string' ? path : undefined
}
