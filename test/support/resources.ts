import type { TObject, TSchema } from '@sinclair/typebox'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import type { FastifyInstance } from 'fastify'
import type { Resource } from '#src/resource/model.ts'
import { bare } from '#src/schema/fields.ts'
import type { Send } from '#test/support/app.ts'

/** A declared resource, and its path. */
export interface Declared {
  path: string
  resource: Resource
  /** Its routes: `POST ''`, `PUT '/:id'`, …. */
  routes: { method: string; url: string }[]
}

/** Every resource under `routes/`, found through the routes alone. */
export function declaredResources(app: FastifyInstance): Declared[] {
  const found = new Map<Resource, Declared>()
  for (const { method, url, config } of app.routeTable) {
    const resource = config?.resource
    if (!resource || method === 'HEAD') continue
    const path = url.replace(/\/:id.*$/, '')
    const declared = found.get(resource) ?? { path, resource, routes: [] }
    declared.routes.push({ method: String(method), url: url.slice(declared.path.length) })
    found.set(resource, declared)
  }
  return [...found.values()]
}

/** Whether a resource has a route. */
export const has = ({ routes }: Declared, method: string, url: string) =>
  routes.some((route) => route.method === method && route.url === url)

let count = 0

/** A body that creates a row: with new values in unique fields, and existing rows in required references. */
export async function newBody(all: Declared[], { resource }: Declared, send: Send, as: string) {
  const body = await sample(all, resource.variants.Create, send, as, targetsOf(resource))
  for (const name of Object.keys(body)) {
    const column = resource.fields.get(name)?.column
    if (!column?.isUnique && !column?.primary) continue
    count += 1
    body[name] = anew(body[name], count)
  }
  return body
}

/** The tables that fields refer to. */
function targetsOf({ table, fields }: Resource): Map<string, PgTable> {
  const targets = new Map(
    getTableConfig(table).foreignKeys.map((key) => {
      const { columns, foreignTable } = key.reference()
      return [columns[0]?.name, foreignTable]
    })
  )
  const found = [...fields].flatMap(([name, { column }]) => {
    const target = targets.get(column.name)
    return target ? [[name, target] as const] : []
  })
  return new Map(found)
}

async function sample(all: Declared[], schema: TObject, send: Send, as: string, targets = new Map<string, PgTable>()) {
  const required = new Set(schema.required)
  const body: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(schema.properties)) {
    // Of objects inside of one the columns are unknown: lines of an order name a product by `productId`.
    const referred = `${/^(\w+)Id$/.exec(name)?.[1]}s`
    const table = targets.get(name) ?? all.find(({ resource }) => resource.name === referred)?.resource.table
    if (!table) body[name] = await sampleValue(all, bare(one), send, as)
    else if (required.has(name)) body[name] = await create(all, table, send, as)
  }
  return body
}

async function sampleValue(all: Declared[], schema: TSchema, send: Send, as: string): Promise<unknown> {
  if (schema.examples) return schema.examples[0]
  if (schema.type === 'object') return sample(all, schema as TObject, send, as)
  if (schema.type === 'array') return [await sampleValue(all, schema.items as TSchema, send, as)]
  if (schema.anyOf) return schema.anyOf[0].const
  return schema.type === 'boolean' ? true : (schema.minimum ?? 'sample')
}

async function create(all: Declared[], table: PgTable, send: Send, as: string): Promise<string> {
  const declared = all.find(({ resource }) => resource.table === table) as Declared
  const body = await newBody(all, declared, send, as)
  return (await send('POST', declared.path, { as, body })).body.id
}

/** Another value of the same kind. */
function anew(value: unknown, turn: number): unknown {
  if (typeof value === 'number') return value + turn
  const text = String(value)
  if (/^[0-9a-f-]{36}$/.test(text)) return text.slice(0, -6) + String(turn).padStart(6, '0')
  if (/^\d{4}-\d\d-\d\d/.test(text))
    return new Date(Date.parse(text) + turn * 86_400_000).toISOString().slice(0, text.length)
  if (/^\d+(\.\d+)?$/.test(text)) return (Number(text) + turn).toFixed(text.split('.')[1]?.length ?? 0)
  return `x${turn}${text}`
}
