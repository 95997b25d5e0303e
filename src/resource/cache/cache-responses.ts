import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { isNotModified } from '#src/http/conditional.ts'
import { JSON_TYPE, send } from '../../http/answer.ts'
import { includePaths } from '../compile/includes.ts'
import type { Verb } from '../declaration.ts'
import type { Resource } from '../model.ts'
import { tablesRead } from '../rows/includes.ts'
import type { ResponseCache } from './response-cache.ts'

/** The verbs with cached answers. An export is not cached: it is read once, and is as long as a table. */
export const CACHED_VERBS: ReadonlySet<string> = new Set<Verb>(['list', 'read', 'aggregate'])

// The headers that describe the answer. All others belong to one request.
const HEADERS = ['etag', 'link']

/**
 * A handler that keeps its answers in memory and gives them again to any caller: access to the route was checked
 * before, and a request with guarded includes bypasses the cache.
 */
export function cacheResponses(
  answers: ResponseCache,
  resource: Resource,
  ttlSeconds: number,
  handler: RouteHandlerMethod
): RouteHandlerMethod {
  const followed = [undefined, ...includePaths(resource.includes).map((path) => [path])]
  for (const include of followed) answers.follow(resource.name, tablesRead(resource, include) ?? [])

  return async function answerFromMemory(request, reply) {
    const { include } = request.query as { include?: string[] }
    const tables = tablesRead(resource, include)
    if (!tables) return handler.call(this, request, reply)
    const key = keyOf(request)
    const kept = answers.find(key, tables, ttlSeconds * 1000)
    if (kept) {
      // RFC 9111, section 5.1: caches behind this one count on from here.
      reply.header('age', String(Math.floor(kept.ageMs / 1000)))
      const { etag } = kept.headers
      if (etag && isNotModified(request.headers['if-none-match'], etag)) {
        return reply.code(304).header('etag', etag).send()
      }
      return send(reply, { status: 200, headers: kept.headers, body: kept.body })
    }
    const [readAt, stamp] = [answers.now(), answers.stamp(tables)]
    const answer = await handler.call(this, request, reply)
    if (reply.statusCode !== 200) return answer
    const body = typeof answer === 'string' ? answer : (reply.serialize(answer as object) as string)
    const headers = headersOf(reply)
    answers.keep(key, tables, { body, headers, readAt, stamp })
    return send(reply, { status: 200, headers, body })
  }
}

function headersOf(reply: FastifyReply): Record<string, string> {
  const said = HEADERS.filter((name) => reply.hasHeader(name)).map((name) => [name, String(reply.getHeader(name))])
  return { 'content-type': JSON_TYPE, ...Object.fromEntries(said) }
}

// The path as it came, since links are made from it: `GET http://elsewhere/api/v1/products` is routed, too, and must not
// put its links into what others get. The query by its meaning: validated, in one order, with defaults filled in.
function keyOf({ url, query }: FastifyRequest): string {
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const parameters = Object.entries(query as object).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${path} ${JSON.stringify(parameters)}`
}
