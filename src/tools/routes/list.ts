/** What a list of routes needs to know of each: a route as it was declared. */
export interface DeclaredRoute {
  method: string | string[]
  url: string
  bodyLimit?: number
  config?: {
    access?: unknown
    timeoutSeconds?: number
    cost?: number
    isProbe?: true
    priority?: 'batch' | 'health'
    resource?: unknown
  }
  schema?: { operationId?: string; body?: unknown; response?: unknown }
}

/** A route for a reader. */
export interface ListedRoute {
  method: string
  path: string
  /** A scope, or `public`, `authenticated`, `account`, `client`. */
  access: string
  limits: Limits
  /** The name of the body's schema in the document, or its shape; null for a route without a body. */
  request: string | null
  /** The same for each status. */
  responses: Record<string, string>
  operationId: string | null
  /** The file that declares it, from the folder of the project. */
  source: string
}

interface Limits {
  /** The largest body; null where there is none, or where it may be of any length. */
  bodyBytes: number | null
  timeoutSeconds: number | null
  /** How many requests one counts for; 0 where it does not count. */
  cost: number
  /** Whether an overload refuses it early (`batch`), never (`health`), or in between. */
  priority: 'batch' | 'health' | 'normal'
}

/**
 * Lists declared routes by their paths. HEAD routes, which go with those of GET, and the one for every preflight are left out.
 * @param bodyLimit the bytes of a body where a route does not say.
 */
export function listRoutes(
  declared: Iterable<[route: DeclaredRoute, source: string]>,
  bodyLimit: number
): ListedRoute[] {
  return [...declared]
    .flatMap(([route, source]) =>
      [route.method].flat().map((method) => describeRoute({ ...route, method }, source, bodyLimit))
    )
    .filter(({ method, path }) => method !== 'HEAD' && path !== '*')
    .sort((a, b) => compare(a.path, b.path) || compare(a.method, b.method))
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

function describeRoute(
  { method, url, bodyLimit: own, config = {}, schema = {} }: DeclaredRoute & { method: string },
  source: string,
  bodyLimit: number
): ListedRoute {
  const { access, timeoutSeconds, cost = 1, isProbe, priority = 'normal' } = config
  const bytes = own ?? (schema.body === undefined ? Number.MAX_SAFE_INTEGER : bodyLimit)
  return {
    method,
    path: url,
    access: String(access),
    limits: {
      bodyBytes: bytes === Number.MAX_SAFE_INTEGER ? null : bytes,
      timeoutSeconds: timeoutSeconds ?? null,
      cost: isProbe ? 0 : cost,
      priority
    },
    request: schema.body === undefined ? null : nameOfSchema(schema.body as Schema),
    responses: Object.fromEntries(
      Object.entries((schema.response ?? {}) as Record<string, Schema>).map(([status, one]) => [
        status,
        nameOfSchema(one)
      ])
    ),
    operationId: schema.operationId ?? null,
    source
  }
}

interface Schema {
  $id?: string
  type?: string | string[]
  content?: Record<string, { schema: Schema }>
  items?: Schema
  properties?: Record<string, Schema>
  anyOf?: Schema[]
  'x-documented'?: Schema
}

/** The name of a schema, or its shape in the names of those inside: `{ data: Product[], page: PageInfo }`. */
export function nameOfSchema(schema: Schema): string {
  if (schema['x-documented']) return nameOfSchema(schema['x-documented'])
  if (schema.content)
    return Object.entries(schema.content)
      .map(([media, one]) => `${media}: ${nameOfSchema(one.schema)}`)
      .join(' | ')
  if (schema.$id) return schema.$id
  if (schema.items) {
    const item = nameOfSchema(schema.items)
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`
  }
  if (schema.anyOf) return [...new Set(schema.anyOf.map(nameOfSchema))].join(' | ')
  const inside = Object.entries(schema.properties ?? {}).map(([name, one]) => `${name}: ${nameOfSchema(one)}`)
  return inside.length > 0 ? `{ ${inside.join(', ')} }` : [schema.type ?? 'any'].flat().join(' | ')
}

/** The limits of a route in words: those that differ from a route without any. */
export function describeLimits({ bodyBytes, timeoutSeconds, cost, priority }: Limits): string[] {
  return [
    ...(bodyBytes === null ? [] : [inBinary(bodyBytes)]),
    ...(timeoutSeconds === null ? [] : [`${timeoutSeconds} s`]),
    ...(cost === 1 ? [] : [cost === 0 ? 'not counted' : `counts ${cost}`]),
    ...(priority === 'normal' ? [] : [priority])
  ]
}

function inBinary(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let size = bytes
  while (size >= 1024 && units.length > 1) {
    size /= 1024
    units.shift()
  }
  return `${Number(size.toFixed(1))} ${units[0]}`
}
