import type { FastifySchema, RouteHandlerMethod } from 'fastify'
import type { ErrorCode } from '../errors.ts'
import type { Change } from '../http/change.ts'
import type { Stream } from '../http/stream.ts'
import type { Access } from '../identity/scopes.ts'
import type { ResourceContext } from './context.ts'
import type { Declaration } from './declaration.ts'
import type { AsyncOperation } from './respond-async/operation.ts'

interface AsJob {
  kind: 'import' | 'export' | 'bulk'
  run: AsyncOperation['run']
}

interface AnyRoute {
  /** How a job does the operation, for `Prefer: respond-async`. */
  asJob?: AsJob
  url: string
  access: keyof Declaration['access']
  /** The access that the route needs, when it differs from the resource's. */
  ownAccess?: Access | undefined
  schema: FastifySchema
  /** The largest body, when it differs from that of other routes. */
  bodyLimit?: number
  /** Statuses, or codes, of errors that do not follow from the schema. */
  errors?: (number | ErrorCode)[]
}

/** A route that changes nothing. */
interface ReadRoute extends AnyRoute {
  method: 'GET'
  handler: RouteHandlerMethod
}

/** A route that changes something; `changeHandler` makes its handler. */
export interface ChangeRoute extends AnyRoute {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  change: Change<ResourceContext>
}

/** A route that reads its body itself, as it comes: too long to be kept, or to happen in one transaction; `streamHandler` makes its handler. */
interface StreamRoute extends AnyRoute {
  method: 'POST'
  /** The media types that it takes. */
  streams: string[]
  stream: Stream
}

/** The route of one verb; define.ts adds what all have in common. */
export type VerbRoute = ReadRoute | ChangeRoute | StreamRoute

/** Makes a verb's route. @param prefix the path of the resource, for `Location`. */
export type MakeRoute = (context: ResourceContext, prefix: string) => VerbRoute
