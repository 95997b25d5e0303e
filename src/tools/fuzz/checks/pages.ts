import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Answer } from '../../openapi/client.ts'
import type { Operation } from '../../openapi/document.ts'
import { noInput, type OperationInput } from '../../openapi/request.ts'
import { limitOf, type Resource, rowsOf } from '../../openapi/resources.ts'
import { isObject, type Json } from '../../openapi/schema.ts'
import { inputsOf } from '../../values/inputs.ts'
import { Fault } from '../finding.ts'
import { idOf, type Scene } from '../scene.ts'
import { type CheckMaker, check } from './check.ts'

const MAX_PAGES = 12
const MAX_ROWS = 5

/** Small pages, one after the other, have the rows of one large page, in its order: none is skipped, and none comes twice. */
export const pages: CheckMaker = (session) =>
  session.resources.flatMap((resource) => {
    const { create, list } = resource
    const limit = list && limitOf(list)
    const inputs = create && session.isTried(create) && inputsOf(create, session.schemas, 0)
    if (!list || !limit || !inputs || limit.most < MAX_PAGES) return []
    const sorts = sortsOf(list)
    return check({
      name: 'pages',
      subject: resource.collection,
      weight: 3,
      inputs: fc.record({
        creates: fc.array(inputs, { minLength: 2, maxLength: MAX_ROWS }),
        size: fc.integer({ min: 1, max: 3 }),
        sort: fc.constantFrom(null, ...sorts)
      }),
      async run(scene, { creates, size, sort }) {
        for (const input of creates) await scene.create(resource, input)
        const query: Record<string, Json> = sort === null ? {} : { sort }
        const { path } = creates[0] as OperationInput
        const read = (most: number) => ({ ...noInput(), path, query: { ...query, [limit.name]: most } })
        const large = await scene.send(list, read(Math.min(limit.most, MAX_PAGES * size)))
        if (large.status !== 200) return
        const expected = idsIn(large, resource)
        const { ids, isWhole } = await walk(scene, list, read(size), resource)
        const repeated = ids.find((id, at) => ids.indexOf(id) !== at)
        if (repeated !== undefined) throw new Fault('pages', list.id, `${repeated} is on two pages`, 'twice')
        const shown = isWhole ? expected : expected.slice(0, ids.length)
        const missing = shown.find((id) => !ids.includes(id))
        if (missing !== undefined)
          throw new Fault('pages', list.id, `${missing} is on none of the small pages`, 'skipped')
        if (!isDeepStrictEqual(ids.slice(0, shown.length), shown))
          throw new Fault('pages', list.id, 'small pages have another order than a large one', 'order')
      }
    })
  })

const idsIn = ({ json }: Answer, resource: Resource) => (rowsOf(json) ?? []).map((row) => idOf(row, resource) as Json)

function sortsOf({ parameters }: Operation): Json[] {
  const schema = parameters.find(({ name, in: place }) => place === 'query' && name === 'sort')?.schema
  const isList = [schema?.type].flat().includes('array')
  return isList ? (schema?.items?.enum ?? []).map((one) => [one]) : (schema?.enum ?? [])
}

async function walk(scene: Scene, list: Operation, first: OperationInput, resource: Resource) {
  const ids: Json[] = []
  let input = first
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await scene.send(list, input)
    if (answer.status !== 200) throw new Fault('pages', list.id, `the next page is ${answer.status}`, 'next')
    ids.push(...idsIn(answer, resource))
    const next = nextIn(answer)
    if (next === undefined) return { ids, isWhole: true }
    const followed = inputOf(list, input, next)
    if (!followed) break
    input = followed
  }
  return { ids, isWhole: false }
}

const CURSORS = ['cursor', 'after', 'page_token', 'pageToken', 'next', 'starting_after', 'continuation']

/** Where the next page is, by `Link` or in the body: a URL or a cursor; undefined at the end. */
function nextIn({ headers, json }: Answer): string | undefined {
  return /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec([headers.link ?? ''].flat().join(', '))?.[1] ?? cursorIn(json)
}

/** The input of the next page; undefined where the document does not say how it is asked for. */
function inputOf({ parameters }: Operation, input: OperationInput, next: string): OperationInput | undefined {
  const known = parameters.filter(({ in: place }) => place === 'query').map(({ name }) => name)
  if (!/^(https?:\/)?\/|^\?/.test(next)) {
    const cursor = known.find((name) => CURSORS.includes(name))
    return cursor === undefined ? undefined : { ...input, query: { ...input.query, [cursor]: next } }
  }
  const followed = [...new URL(next, 'http://server').searchParams].filter(([name]) => known.includes(name))
  return followed.length === 0 ? undefined : { ...input, query: { ...input.query, ...Object.fromEntries(followed) } }
}

function cursorIn(json: Json | undefined): string | undefined {
  if (!isObject(json)) return undefined
  const places = [json, json.page, json.meta, json.pagination, json.links, json.paging].filter(isObject)
  const names = ['next', 'nextCursor', 'next_cursor', 'nextPageToken', 'next_page_token', 'cursor']
  const found = places.flatMap((place) => names.map((name) => place[name]))
  return found.find((one): one is string => typeof one === 'string' && one !== '')
}
