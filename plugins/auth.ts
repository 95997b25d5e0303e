import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import fp from 'fastify-plugin'
import { untilEnd } from '#src/concurrency/request-scope.ts'
import { ApiError } from '#src/errors.ts'
import { endOf } from '#src/http/request-deadline.ts'
import { authorize, unauthenticated } from '#src/identity/access.ts'
import { isKeyText } from '#src/identity/api-keys/key-format.ts'
import { type Identity, openIdentity } from '#src/identity/identity.ts'
import type { AttemptWindows } from '#src/identity/passwords/login-throttle.ts'
import type { Principal } from '#src/identity/principal.ts'
import { readCredential } from '#src/identity/requests/credential.ts'
import type { Access } from '#src/identity/scopes.ts'
import { RedisWindowStore } from '#src/limits/redis-store.ts'
import { WindowStore } from '#src/limits/window-store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The callers that may use the route. A route without it stops the start. */
    access?: Access
    /**
     * For a route that judges its body: a credential is not read (`ignored`), or counts only when it is valid
     * (`optional`). The route must not refuse a client that still sends its old token.
     */
    credential?: 'ignored' | 'optional'
    /** Further scopes that the route needs for some callers or for some of its work. */
    scopes?: readonly string[]
  }
  interface FastifyRequest {
    /** The authenticated caller; null where the route is public and no credential came. */
    principal: Principal | null
    /** When it was authenticated, in milliseconds since the request came. */
    authenticatedMs: number
  }
  interface FastifyInstance {
    identity: Identity
  }
}

/** Authenticates each request, and checks that its principal may use the route. */
export default fp(
  async (app) => {
    const identity = await openIdentity(app.db, app.listenToDatabase, app.config, {
      keys: app.signingKeys,
      signer: app.jwt,
      outbound: app.outbound,
      attempts: app.config.RATE_LIMIT_ENABLED ? attemptWindows(app) : undefined
    })
    app.addHook('onClose', () => identity.close())
    app.decorate('identity', identity)
    app.decorateRequest('principal', null)
    app.decorateRequest('authenticatedMs', 0)

    // A callback, since a cached credential needs no wait, and a promise costs more than the lookup.
    app.addHook('onRequest', (request, reply: FastifyReply, done) => {
      const { access, credential: use, timeoutSeconds } = request.route.config
      // An OAuth client authenticates in its own way, in the routes for it.
      if (!access || access === 'client' || use === 'ignored') return done()
      const credential = readCredential(request.headers, request.raw.rawHeaders)
      const known = credential ? identity.authenticator.recall(credential, request.ip, request.raw.socket) : undefined
      const admit = (principal: Principal | null) => {
        request.principal = principal
        request.authenticatedMs = reply.elapsedTime
        authorize(principal, access)
      }
      if (credential === undefined || known) {
        admit(known ?? null)
        return done()
      }
      const { headers, socket } = request.raw
      const endsAt = endOf(headers['request-timeout'] as string | undefined, timeoutSeconds, reply)
      // The verification goes on after the deadline: other requests may wait for it as well.
      const verified = verify(credential, request)
      untilEnd({ socket, endsAt }, use === 'optional' ? verified.catch(asNobody) : verified)
        .then(admit)
        .then(() => done(), done)
    })

    async function verify(credential: string | null, request: FastifyRequest): Promise<Principal> {
      const { authenticator, failures } = identity
      const { ip: address } = request
      const isLimited = app.config.RATE_LIMIT_ENABLED
      if (isLimited && credential !== null && !isKeyText(credential)) failures.admitSignature(address)
      const principal = credential === null ? undefined : await authenticator.verify(credential, address, request)
      if (principal) return principal
      if (isLimited) failures.count(address)
      throw unauthenticated('The credential is malformed, expired, revoked or not ours.', 'error="invalid_token"')
    }
  },
  { name: 'auth', dependencies: ['db', 'errors', 'http', 'jwt', 'outbound', 'overload', 'redis', 'routes'] }
)

function asNobody(error: unknown): null {
  if (error instanceof ApiError && error.statusCode < 500) return null
  throw error
}

// With a Redis all instances count together; otherwise an attacker would get the tries of each instance.
function attemptWindows({ redis, log }: FastifyInstance): AttemptWindows {
  if (!redis) return new WindowStore()
  return new RedisWindowStore(redis, (err) => log.error({ err }, 'login attempts are counted locally: Redis fails'))
}
