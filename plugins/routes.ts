import type { FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { knownScopes } from '#src/http/known-scopes.ts'
import { checkRoutes } from '#src/http/route-checks.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Every declared route, HEAD routes included. */
    routeTable: readonly RouteOptions[]
    /** All scopes, once the application is ready. */
    knownScopes: ReadonlySet<string>
  }
  interface FastifyRequest {
    /** The value of `routeOptions`, which Fastify builds anew on each access. */
    readonly route: FastifyRequest['routeOptions']
    knownRoute: FastifyRequest['routeOptions'] | null
  }
}

/** Collects all routes. Stops the start when a route declares no access or an answer has no schema. */
export default fp(
  async (app) => {
    const routes: RouteOptions[] = []
    app.decorate('routeTable', routes)
    app.decorateRequest('knownRoute', null)
    app.decorateRequest('route', {
      getter(this: FastifyRequest) {
        this.knownRoute ??= this.routeOptions
        return this.knownRoute
      }
    })
    app.addHook('onRoute', (route) => void routes.push(route))
    // The wildcard route for preflights belongs to @fastify/cors.
    app.addHook('onReady', async () => checkRoutes(routes.filter(({ url }) => url !== '*') as never))
    let scopes: ReadonlySet<string> | undefined
    app.decorate('knownScopes', {
      getter() {
        scopes ??= knownScopes(routes as never)
        return scopes
      }
    })
  },
  { name: 'routes' }
)
