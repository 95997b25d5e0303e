import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyReply, FastifyRequest, InjectOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '#src/errors.ts'
import type { ToolRequest } from '#src/mcp/request.ts'
import type { ToolAnswer } from '#src/mcp/result.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Sends a request to this application for the caller of another one: from its address, with its credential, its id and
     * its trace. It takes the whole way of a request, and only its first unit of the rate limit is that of the other one.
     * @throws ApiError UNAVAILABLE while the server stops.
     */
    subrequest: (parent: FastifyRequest, request: ToolRequest) => Promise<ToolAnswer>
  }
  interface FastifyRequest {
    /** The request that this one is made for; null for one that a client sent. */
    parent: FastifyRequest | null
  }
}

interface Subrequest {
  parent: FastifyRequest
  request: ToolRequest
}

// The caller's own. All other headers are left behind: those of the body are wrong here, and Host and Origin were checked.
const INHERITED = ['authorization', 'x-api-key', 'user-agent', 'traceparent', 'tracestate']

/** Requests that the application makes to itself for a caller. */
export default fp(
  async (app) => {
    // Not a header, which a client could send as well.
    const current = new AsyncLocalStorage<Subrequest>()
    app.decorateRequest('parent', null)

    app.addHook('onRequest', (request, _reply: FastifyReply, done) => {
      const begun = current.getStore()
      if (!begun) return done()
      request.parent = begun.parent
      // A value of the path may be a dot segment, which leads to another route.
      const { url, method } = request.route
      const isMeant = url === begun.request.route && method === begun.request.method
      done(isMeant ? undefined : new ApiError('NOT_FOUND'))
    })

    app.decorate('subrequest', async (parent, request) => {
      const { method, url, headers, payload } = request
      const options: InjectOptions = {
        method: method as NonNullable<InjectOptions['method']>,
        url,
        remoteAddress: parent.ip,
        headers: { ...headers, ...inherited(parent) },
        ...(payload !== undefined && { payload })
      }
      // Begun inside of the context: a request that is injected begins where it is first waited for.
      return current.run({ parent, request }, async () => {
        try {
          const { statusCode, headers: answered, payload: text } = await app.inject(options)
          return { status: statusCode, headers: answered, text }
        } catch (error) {
          throw new ApiError('UNAVAILABLE', undefined, { cause: error })
        }
      })
    })
  },
  { name: 'subrequests', dependencies: ['errors', 'routes'] }
)

function inherited({ id, headers }: FastifyRequest): Record<string, string> {
  const own = INHERITED.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]])
  return { 'user-agent': '', ...Object.fromEntries(own), accept: 'application/json', 'x-request-id': id }
}
