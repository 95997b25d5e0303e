import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, FastifySchema, RouteHandlerMethod } from 'fastify'
import { type Principal, seesAll } from '../identity/principal.ts'
import type { Change } from './change.ts'
import type { ResourceContext } from './context.ts'
import type { Declaration } from './declaration.ts'
import type { Resource } from './resource.ts'
import type { Stream } from './stream.ts'

interface AnyRoute {
  url: string
  access: keyof Declaration['access']
  schema: FastifySchema
  /** The largest body, where it is not that of every route. */
  bodyLimit?: number
  /** Statuses of errors that do not follow from the schema. */
  errors?: number[]
}

/** A route that changes nothing. */
export interface ReadRoute extends AnyRoute {
  method: 'GET'
  handler: RouteHandlerMethod
}

/** A route that changes something; `changeHandler` makes its handler. */
export interface ChangeRoute extends AnyRoute {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  change: Change<ResourceContext>
}

/** A route that reads its body itself, as it comes: too long to be kept, or to happen in one transaction; `streamHandler` makes its handler. */
export interface StreamRoute extends AnyRoute {
  method: 'POST'
  /** The media types that it takes. */
  streams: string[]
  stream: Stream
}

/** The route of one verb; define.ts adds what all have in common. */
export type VerbRoute = ReadRoute | ChangeRoute | StreamRoute

/** Makes a verb's route. @param prefix the path of the resource, for `Location`. */
export type MakeRoute = (context: ResourceContext, prefix: string) => VerbRoute

export const IdParams = Type.Object({ id: Type.String({ format: 'uuid', description: 'The id of the resource.' }) })
export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The ETag that was read: 412 when the resource has changed since.' })
  ),
  'if-none-match': Type.Optional(Type.String({ description: 'An ETag, or `*` for any: 412 when the resource has it.' }))
})
export const IfNoneMatch = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag that the caller has: 304 while it is current.' }))
})
export const NoContent = Type.Null({ description: 'Done.' })
export const NotModified = Type.Null({ description: 'The caller has the current version.' })

/** One answer, whole or with the fields that were asked for. */
export function orSparse({ answer, declaration }: Resource): TSchema {
  const name = `${declaration.schema.$id}Sparse`
  return Type.Union([answer, { ...Type.Partial(answer), $id: name, title: name } as TObject])
}

/** Whose rows the caller may see and touch; undefined for anybody's. */
export function ownerOf(request: FastifyRequest, { declaration, name }: Resource): string | undefined {
  if (!declaration.owner) return undefined
  const principal = request.principal as Principal
  return seesAll(principal, name) ? undefined : principal.userId
}

export const JSON_TYPE = 'application/json; charset=utf-8'

/** Sends an answer with a serializer of its own: that of the fields that were asked for. */
export function serializeWith(reply: FastifyReply, serializer: (data: unknown) => string): void {
  // Fastify leaves the type to whoever brings a serializer.
  reply.header('content-type', JSON_TYPE).serializer(serializer)
}

/** What a handler returns to send JSON that is text already: Fastify does not serialize a text of this type. */
export function sendText(reply: FastifyReply, json: string): string {
  reply.header('content-type', JSON_TYPE)
  return json
}

/** For a route whose body may be left out: no body is an empty object. JSON's null is still refused. */
export async function bodyIsOptional(request: FastifyRequest): Promise<void> {
  if (request.body === undefined) request.body = {}
}
