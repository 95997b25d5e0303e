import type { TObject, TSchema } from '@sinclair/typebox'
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
  const body: Record<string, unknown> = await sample(all, resource.variants.Create, send, as)
  for (const name of Object.keys(body)) {
    const column = resource.fields.get(name)?.column
    if (!column?.isUnique && !column?.primary) continue
    count += 1
    body[name] = `x${count}${body[name]}`
  }
  return body
}

async function sample(all: Declared[], schema: TObject, send: Send, as: string): Promise<Record<string, unknown>> {
  const required = new Set(schema.required)
  const body: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(schema.properties)) {
    const referred = /^(\w+)Id$/.exec(name)?.[1]
    if (!referred) body[name] = await sampleValue(all, bare(one), send, as)
    else if (required.has(name)) body[name] = await create(all, `${referred}s`, send, as)
  }
  return body
}

async function sampleValue(all: Declared[], schema: TSchema, send: Send, as: string): Promise<unknown> {
  if (schema.examples) return schema.examples[0]
  if (schema.type === 'object') return sample(all, schema as TObject, send, as)
  if (schema.type === 'array') return [await sampleValue(all, schema.items as TSchema, send, as)]
  return schema.type === 'boolean' ? true : (schema.minimum ?? 'sample')
}

async function create(all: Declared[], name: string, send: Send, as: string): Promise<string> {
  const declared = all.find(({ resource }) => resource.name === name) as Declared
  const body = await newBody(all, declared, send, as)
  return (await send('POST', declared.path, { as, body })).body.id
}
