import type { TObject } from '@sinclair/typebox'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { FastifyInstance, FastifyPluginAsync, RouteHandlerMethod } from 'fastify'
import type { ResourceTable } from '../db/columns.ts'
import type { ErrorCode } from '../errors.ts'
import { otherParser, streamParser } from '../http/body/parsers.ts'
import { changeHandler } from '../http/change.ts'
import { announce, type Deprecation } from '../http/deprecation.ts'
import { streamHandler } from '../http/stream.ts'
import { CACHED_VERBS, cacheResponses } from './cache/cache-responses.ts'
import { isGuarded } from './compile/includes.ts'
import { compileResource } from './compile/resource.ts'
import type { ResourceContext } from './context.ts'
import type { Declaration, Verb } from './declaration.ts'
import { DeclarationError, type Resource } from './model.ts'
import { actionRoute } from './operations/act.ts'
import { aggregateRoute } from './operations/aggregate.ts'
import { bulkCreateRoute } from './operations/bulk-create.ts'
import { bulkRemoveRoute } from './operations/bulk-remove.ts'
import { bulkUpdateRoute } from './operations/bulk-update.ts'
import { createRoute } from './operations/create.ts'
import { exportRoute } from './operations/export.ts'
import { importRoute } from './operations/import.ts'
import { listRoute } from './operations/list.ts'
import { readRoute } from './operations/read.ts'
import { removeRoute } from './operations/remove.ts'
import { removeWhereRoute } from './operations/remove-where.ts'
import { replaceRoute, updateRoute } from './operations/update.ts'
import { updateWhereRoute } from './operations/update-where.ts'
import { respondLater } from './respond-async/respond-later.ts'
import type { MakeRoute, VerbRoute } from './route.ts'
import { makeContext } from './rows/batched.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The resource that the route belongs to. */
    resource?: Resource
    /** The route takes `Idempotency-Key`. */
    idempotent?: boolean
    /** The route takes `Prefer`. */
    acceptsPrefer?: boolean
    /** The route takes `Prefer: respond-async`. */
    respondsAsync?: boolean
  }
}

const verbs: Record<Verb, MakeRoute> = {
  list: listRoute,
  aggregate: aggregateRoute,
  export: exportRoute,
  read: readRoute,
  create: createRoute,
  bulkCreate: bulkCreateRoute,
  import: importRoute,
  update: updateRoute,
  bulkUpdate: bulkUpdateRoute,
  updateWhere: updateWhereRoute,
  replace: replaceRoute,
  remove: removeRoute,
  bulkRemove: bulkRemoveRoute,
  removeWhere: removeWhereRoute
}

// A bulk verb exists when its verb for one row exists and is the engine's own.
const FOLLOWS: Partial<Record<Verb, Verb>> = {
  aggregate: 'list',
  export: 'list',
  bulkCreate: 'create',
  import: 'create',
  bulkUpdate: 'update',
  updateWhere: 'update',
  bulkRemove: 'remove',
  removeWhere: 'remove'
}

/**
 * A resource as a Fastify plugin, from its declaration alone: the default export of `routes/<path>/index.ts`.
 * The path of the folder is the path of the resource.
 * @throws DeclarationError at start, naming what does not fit together.
 */
export function defineResource<
  S extends TObject,
  T extends ResourceTable,
  I extends Record<string, PgTable>,
  A extends string = never
>(declaration: Declaration<S, T, I, A>): FastifyPluginAsync {
  return async function resourceRoutes(app) {
    const { actions = {}, access, schema, timeoutSeconds = {} } = declaration as Declaration
    const { name, operationId } = namesOf(app.prefix, schema.$id as string)
    const resource = compileResource(name, declaration as Declaration)
    const { cache } = resource.declaration
    const context = makeContext(app, resource)
    // A resource with cached answers reads from the primary, where every write shows at once.
    const replica = app.replicas && !cache ? makeContext(app, resource, app.replicas.db) : undefined
    const faultOf = (constraint: string) => resource.faults.get(constraint)
    const routes: [string, MakeRoute][] = [
      ...Object.entries(verbs).filter(([verb]) => has(declaration as Declaration, verb as Verb)),
      ...Object.entries(actions).map(([action, one]): [string, MakeRoute] => [action, actionRoute(action, one)])
    ]
    for (const verb of Object.keys(timeoutSeconds)) {
      if (!routes.some(([one]) => one === verb))
        throw new DeclarationError(`${name}: timeoutSeconds names '${verb}', which is not one of its operations`)
    }
    const accessOf = (route: VerbRoute) => route.ownAccess ?? access[route.access]
    for (const [verb, makeRoute] of routes) {
      const route = makeRoute(context, app.prefix)
      const { asJob } = route
      const allRows = declaration.owner ? (`${name}:*` as const) : undefined
      if (asJob) app.asyncOperations.set(operationId(verb), { allRows, access: accessOf(route), run: asJob.run })
      // On a replica, too, the job is sent through the primary.
      const orLater = (one: VerbRoute) => respondLater(app, operationId(verb), one)
      const there = replica && orLater(makeRoute(replica, app.prefix))
      const handler = spread(app, handlerOf(context, orLater(route)), there)
      const deprecation = deprecationOf(resource.declaration, verb)
      const whole = {
        method: route.method,
        url: route.url,
        ...(route.bodyLimit && { bodyLimit: route.bodyLimit }),
        handler:
          cache && CACHED_VERBS.has(verb)
            ? cacheResponses(app.responseCache, resource, cache.ttlSeconds, handler)
            : handler,
        config: {
          access: accessOf(route),
          faultOf,
          idempotent: route.method !== 'GET',
          acceptsPrefer: 'change' in route || 'stream' in route,
          respondsAsync: route.asJob !== undefined,
          ...(COSTS[verb] !== undefined && { cost: COSTS[verb] }),
          ...(OF_BATCHES.test(verb) && { priority: 'batch' as const }),
          resource,
          errors: [...errorsOf(route, resource), ...(resource.declaration.errors?.[verb] ?? [])],
          ...(cache && { ttlSeconds: cache.ttlSeconds }),
          ...(timeoutSeconds[verb] !== undefined && { timeoutSeconds: timeoutSeconds[verb] })
        },
        schema: {
          ...route.schema,
          operationId: operationId(verb),
          tags: [name],
          ...(deprecation && { deprecated: true })
        },
        ...(deprecation && { onSend: announce(deprecation) })
      }
      if ('streams' in route) app.register(async (inner) => acceptStreams(inner, route.streams).route(whole))
      else app.route(whole)
    }
  }
}

function handlerOf(context: ResourceContext, route: VerbRoute): RouteHandlerMethod {
  if ('change' in route) return changeHandler(context, route.change)
  return 'stream' in route ? streamHandler(context, route.streams, route.stream) : route.handler
}

// A read goes to a replica when its caller may read there.
function spread({ replicas }: FastifyInstance, handler: RouteHandlerMethod, route: VerbRoute | undefined) {
  if (!replicas || !route || !('handler' in route)) return handler
  const there = route.handler
  return function readSomewhere(this: FastifyInstance, request, reply) {
    return (replicas.serves(request.principal?.userId) ? there : handler).call(this, request, reply)
  } as RouteHandlerMethod
}

// Adds the errors that do not follow from the schema: of a change without `If-Match`, and of a guarded include.
function errorsOf(
  { method, schema, errors = [] }: VerbRoute,
  { declaration, includes }: Resource
): (number | ErrorCode)[] {
  if (method !== 'GET') return declaration.requireIfMatch && schema.headers ? [428, ...errors] : errors
  return isGuarded(includes) ? [401, 403, ...errors] : errors
}

// The announced end of one operation, or undefined when it goes on.
function deprecationOf({ deprecated }: Declaration, operation: string): Deprecation | undefined {
  return deprecated && 'since' in deprecated ? (deprecated as Deprecation) : deprecated?.[operation]
}

/** Whether a resource has a verb: it is not switched off, and the verb it follows from is neither off nor custom. */
function has({ operations = {}, bulk, rules }: Declaration, verb: Verb): boolean {
  if (operations[verb] === false) return false
  // One patch for many rows would have to be merged into each of them for the rules to see it.
  if (verb === 'updateWhere' && rules) return false
  if ((verb === 'updateWhere' || verb === 'removeWhere') && !bulk?.byFilter) return false
  const followed = FOLLOWS[verb]
  return !followed || operations[followed] === undefined
}

// The route has a plugin context of its own, so that all other routes still take only JSON, and this one takes none.
function acceptStreams(app: FastifyInstance, types: string[]): FastifyInstance {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, streamParser)
  app.addContentTypeParser('*', otherParser(types.join(' or ')))
  return app
}

// They read every matching row, and not one page. The weights are estimates.
const COSTS: Record<string, number> = { export: 20, aggregate: 10 }
const DELETES = /^remove|(?<=[a-z])Remove/
const OF_BATCHES = /^(export|import|bulk)|Where$/
const OF_MANY = /^(list|aggregate|export|import|bulk)|Where$/

// `/api/v2/order-lines` is the resource `order-lines`; its operations are `listOrderLinesV2`, `readOrderLineV2`, ….
function namesOf(prefix: string, singular: string) {
  const name = prefix.slice(prefix.lastIndexOf('/') + 1)
  const version = /\/v([2-9]|\d\d+)\//.exec(prefix)?.[1]
  const plural = name.replace(/(^|-)(\w)/g, (_, _dash, letter: string) => letter.toUpperCase())
  const operationId = (verb: string) => {
    const done = verb.replace(DELETES, (text) => (text === 'remove' ? 'delete' : 'Delete'))
    if (!OF_MANY.test(verb)) return `${done}${singular}`
    return `${done.replace(/Where$/, '')}${plural}${version ? `V${version}` : ''}${done.endsWith('Where') ? 'Where' : ''}`
  }
  return { name, operationId }
}
