import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { ApiError } from '#src/errors.ts'
import { parseOrigins } from '#src/http/cors.ts'
import { operationTools } from '#src/mcp/operations.ts'
import { isOriginAllowed } from '#src/mcp/origin.ts'
import { answerMessage } from '#src/mcp/server.ts'
import { describeChange } from '#src/openapi/changes.ts'
import type { Described } from '#src/openapi/describe.ts'
import about from '../package.json' with { type: 'json' }

// The protocol checks the rest of a message. One message, and not a list of them: each request has one limit to charge.
const Message = Type.Object(
  {
    jsonrpc: Type.Literal('2.0'),
    id: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Number()])),
    method: Type.Optional(Type.String({ maxLength: 200 })),
    params: Type.Optional(Type.Unknown({ 'x-max-values': 20_000 })),
    result: Type.Optional(Type.Unknown({ 'x-max-values': 100 })),
    error: Type.Optional(Type.Unknown({ 'x-max-values': 100 }))
  },
  { additionalProperties: false }
)

/** The operations of the API as tools of the Model Context Protocol, over streamable HTTP and without sessions. */
export default (async (app) => {
  const { MCP_ENABLED, CORS_ORIGINS, JWT_ISSUER } = app.config
  if (!MCP_ENABLED) return
  const origins = parseOrigins(CORS_ORIGINS)
  let tools: ReturnType<typeof operationTools> | undefined

  app.post(
    '/mcp',
    {
      // A call is admitted by its own route, and the other answers come from memory.
      config: { access: 'public', priority: 'health' },
      schema: { hide: true, body: Message },
      onRequest: checkOrigin
    },
    async function answerMcp(request, reply) {
      tools ??= operationTools(app.routeTable as RouteOptions[], (route) =>
        describeChange(route.schema as Described, route)
      )
      const response = await answerMessage(
        { name: 'tenon', version: about.version },
        {
          url: `${JWT_ISSUER}/mcp`,
          headers: request.headers,
          message: request.body as object,
          requestId: request.id,
          caller: request.principal,
          tools,
          send: (sent) => app.subrequest(request, sent),
          log: request.log
        }
      )
      return send(reply, response)
    }
  )

  async function checkOrigin({ headers: { origin }, raw }: FastifyRequest): Promise<void> {
    if (isOriginAllowed(origin, origins, JWT_ISSUER, raw.socket.localPort)) return
    throw new ApiError('FORBIDDEN', 'Pages of this origin may not use this. CORS_ORIGINS names those that may.')
  }
}) satisfies FastifyPluginAsync

async function send(reply: FastifyReply, response: Response): Promise<FastifyReply> {
  reply.code(response.status).header('cache-control', 'no-store')
  const text = await response.text()
  // A notification is accepted without a body.
  return text === '' ? reply.send() : reply.type('application/json').send(text)
}
