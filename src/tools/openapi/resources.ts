import type { Operation } from './document.ts'
import { isObject, type Json, type Schema, typesOf } from './schema.ts'
import type { Schemas } from './schemas.ts'

/** What the paths `/things` and `/things/{id}` of a document make together. */
export interface Resource {
  /** The last segment of its collection. */
  name: string
  collection: string
  item: string
  /** The parameter of the item's path that a row's id stands in. */
  idParameter: string
  /** The field of a row that holds its id. */
  idField: string
  /** The schema of a row, as a read answers it. */
  row: Schema
  read: Operation
  create: Operation | undefined
  list: Operation | undefined
  update: Operation | undefined
  replace: Operation | undefined
  remove: Operation | undefined
}

/** Finds the resources of a document: a path that ends in a parameter, with a GET that answers an object. */
export function resourcesOf(operations: Operation[], schemas: Schemas): Resource[] {
  const find = (method: string, path: string) =>
    operations.find((one) => one.method === method && one.path.replace(/\/$/, '') === path)
  return operations.flatMap((read): Resource[] => {
    const [, collection, idParameter] = /^(.*)\/\{([^{}/]+)\}$/.exec(read.path) ?? []
    if (read.method !== 'GET' || collection === undefined || idParameter === undefined) return []
    const row = answerSchema(read)
    const properties = Object.keys((row && schemas.flatten(row).properties) ?? {})
    const idField = ['id', idParameter, '_id', 'uuid'].find((name) => properties.includes(name))
    if (!row || idField === undefined) return []
    return [
      {
        name: collection.split('/').findLast((segment) => segment !== '' && !segment.startsWith('{')) ?? '',
        collection,
        item: read.path,
        idParameter,
        idField,
        row,
        read,
        create: find('POST', collection),
        list: find('GET', collection),
        update: find('PATCH', read.path),
        replace: find('PUT', read.path),
        remove: find('DELETE', read.path)
      }
    ]
  })
}

/** The schema of the JSON that an operation answers when it succeeds. */
export function answerSchema({ responses }: Operation): Schema | undefined {
  const status = Object.keys(responses).find((one) => /^2\d\d$/.test(one) && jsonSchema(responses[one]?.content))
  return jsonSchema(responses[status ?? '2XX']?.content)
}

/** The schema of the first JSON media type. */
export function jsonSchema(content: Record<string, { schema?: Schema }> | undefined): Schema | undefined {
  const media = Object.keys(content ?? {}).find(isJsonMedia)
  return media === undefined ? undefined : content?.[media]?.schema
}

/** Whether a media type is JSON: `application/json`, `application/problem+json`, and not `application/x-ndjson`. */
export const isJsonMedia = (media: string) => /^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(media)

/** The resource that a parameter of a path holds the id of. */
export function resourceOfParameter(resources: Resource[], path: string, parameter: string): Resource | undefined {
  const item = path.slice(0, path.indexOf(`{${parameter}}`) + parameter.length + 2)
  return resources.find((one) => one.item === item)
}

/**
 * The resource that a field of a body refers to: `categoryId` and `category_ids` to `/categories`, and `id` and `ids`
 * outside of a resource's own paths to the resource that the path begins with (`/products/bulk`).
 */
export function resourceOfField(resources: Resource[], path: string, field: string): Resource | undefined {
  if (field === 'id' || field === 'ids')
    return nearest(
      resources.filter((one) => path.startsWith(`${one.collection}/`)),
      path
    )
  const [, stem] = /^(.+?)(?:Ids?|_ids?)$/.exec(field) ?? []
  if (stem === undefined) return undefined
  return nearest(
    resources.filter((one) => singular(one.name) === plain(stem)),
    path
  )
}

function nearest(resources: Resource[], path: string): Resource | undefined {
  const shared = ({ collection }: Resource) => {
    let length = 0
    while (length < collection.length && collection[length] === path[length]) length += 1
    return length
  }
  return resources.toSorted((a, b) => shared(b) - shared(a))[0]
}

const plain = (name: string) => name.replace(/[-_]/g, '').toLowerCase()
const singular = (name: string) =>
  plain(name)
    .replace(/ies$/, 'y')
    .replace(/(ss|sh|ch|x)es$/, '$1')
    .replace(/([^s])s$/, '$1')

/** The rows of a list's answer: the answer itself, or the first of its fields that is a list. */
export function rowsOf(answer: Json | undefined): Json[] | undefined {
  if (Array.isArray(answer)) return answer
  if (!isObject(answer)) return undefined
  const named = ['data', 'items', 'results'].map((name) => answer[name]).find(Array.isArray)
  return named ?? Object.values(answer).find(Array.isArray)
}

/** The parameter of a list that says how many rows a page has. */
export function limitOf({ parameters }: Operation): { name: string; most: number } | undefined {
  const found = parameters.find(({ name, in: place }) => place === 'query' && LIMITS.includes(name))
  return found && { name: found.name, most: found.schema?.maximum ?? 100 }
}

const LIMITS = ['limit', 'per_page', 'perPage', 'page_size', 'pageSize', 'size']

/** Whether a schema is that of one text or number, as ids are. */
export const isScalar = (schema: Schema) =>
  typesOf(schema).every((type) => ['string', 'integer', 'number', 'null'].includes(type))
