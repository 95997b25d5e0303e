import type { FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { knownScopes } from '#src/http/known-scopes.ts'
import { checkRoutes } from '#src/http/route-checks.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route as it was declared, HEAD routes included. */
    routeTable: readonly RouteOptions[]
    /** Every scope that there is, once the application is ready. */
    knownScopes: ReadonlySet<string>
  }
  interface FastifyRequest {
    /** What `routeOptions` says, which Fastify puts together anew each time that it is asked. */
    readonly route: FastifyRequest['routeOptions']
    knownRoute: FastifyRequest['routeOptions'] | null
  }
}

/** Knows all routes, and stops the start when one is open or answers with what nobody declared. */
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
    // The wildcard that takes preflights is @fastify/cors's own.
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
