import type { Operation } from '../openapi/document.ts'
import { camel, Names, pascal } from './names.ts'

/** The operations of a resource, with the names of their functions. */
export interface Group {
  /** `products`, `productsV2`. */
  name: string
  operations: { name: string; operation: Operation }[]
}

/** Groups operations by resource: by the segment after `/api/v1/`, elsewhere by tag or first segment. */
export function groupsOf(operations: Operation[]): Group[] {
  return [...Map.groupBy(operations, groupName)].map(([name, own]) => {
    const nouns = nounsOf(name, own)
    const names = new Names([], [])
    return {
      name,
      operations: own.map((operation) => {
        // Without an id it is `GET /path`.
        const id = operation.id.replace(/^[A-Z]+ /, (method) => method.toLowerCase())
        return { name: names.take(camel(id.replace(nouns, '')), camel(id)), operation }
      })
    }
  })
}

const VERSIONED = /^\/api\/v(\d+)\/([^/{]+)/

function groupName({ path, tags }: Operation): string {
  const [, version, resource] = VERSIONED.exec(path) ?? []
  if (resource !== undefined) return camel(resource) + (version === '1' ? '' : `V${version}`)
  return camel(tags?.[0] ?? path.split('/').find((part) => part !== '') ?? 'api')
}

// `listProducts` and `payOrder` are `products(…).list` and `orders(…).pay`: the noun is what the operations on one row and on
// all have in their ids.
function nounsOf(group: string, operations: Operation[]): RegExp {
  const singular = operations.flatMap(({ id, method, path }) => {
    const isOfRow = method === 'GET' && VERSIONED.test(path) && /^[^{]*\{[^{}]*\}$/.test(path)
    return isOfRow ? (/^(?:read|get)([A-Z]\w*)$/.exec(id)?.[1] ?? []) : []
  })
  const nouns = [pascal(group), ...singular]
  return new RegExp(`(?<=[a-z])(?:${nouns.join('|')})(?![a-z])`)
}
