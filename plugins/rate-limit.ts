import rateLimit, { type CreateRateLimitOptions } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '#src/errors.ts'
import { costOf, isFree } from '#src/limits/cost.ts'
import { limitHeaders, policyHeader, type WindowState } from '#src/limits/headers.ts'
import { storeClass, windowKey } from '#src/limits/plugin-store.ts'
import { RedisWindowStore } from '#src/limits/redis-store.ts'
import { parseTiers, STANDARD, type Window } from '#src/limits/tiers.ts'
import { WindowStore } from '#src/limits/window-store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route does not count: probes share an address with other clients, and must not fail because of them. */
    isProbe?: true
    /** How many requests one request of this route counts for; 1 when left out. */
    cost?: number
  }
  interface FastifyRequest {
    /** The windows that this request was counted in; null until then. */
    charge: Charge | null
  }
}

type Limiter = (request: FastifyRequest) => Promise<Charge['states'][number]>

interface Charge {
  tier: string
  /** How many requests it counts for. */
  cost: number
  states: (WindowState & { key: string })[]
}

type Counted = Extract<Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>, { isAllowed: false }>

/**
 * Limits requests. A valid key or user counts on its own account, by the key's tier; every other request (no
 * credential, a refused one, an unknown path) on its address. All windows of a tier hold at once. Reads that cost the
 * database more count for more. A 304 for a tag that the client sent is free, as often as the limit allows requests.
 */
export default fp(
  async (app) => {
    app.decorateRequest('charge', null)
    if (!app.config.RATE_LIMIT_ENABLED) return
    const tiers = parseTiers(app.config.RATE_LIMIT_TIERS)
    const store = app.redis
      ? new RedisWindowStore(app.redis, (err) => app.log.error({ err }, 'limits are counted locally: Redis fails'))
      : new WindowStore()
    await app.register(rateLimit, { global: false, store: storeClass(store) })

    const limiters = new Map(
      [...tiers].map(([tier, windows]) => [tier, windows.map((window) => makeLimiter(tier, window))] as const)
    )

    const policies = new Map([...tiers].map(([tier, windows]) => [tier, policyHeader(tier, windows)]))

    function makeLimiter(tier: string, { limit, seconds }: Window) {
      const settings: CreateRateLimitOptions = { max: limit, timeWindow: seconds * 1000 }
      if (tier !== 'anonymous') settings.keyGenerator = ({ principal }) => accountOf(principal, tier)
      const check = app.createRateLimit(settings)
      return async (request: FastifyRequest): Promise<Charge['states'][number]> => {
        // There is no allow-list, so every answer is a count.
        const { key, max, remaining, ttl, isExceeded } = (await check(request)) as Counted
        return { key, limit: max, seconds, remaining, resetMs: ttl, isExceeded }
      }
    }

    function tierOf({ principal }: FastifyRequest): string {
      const named = principal ? (principal.tier ?? STANDARD) : 'anonymous'
      return limiters.has(named) ? named : STANDARD
    }

    async function charge(request: FastifyRequest): Promise<Charge> {
      const tier = tierOf(request)
      // What is done for another request was counted with it, and adds only what it costs more.
      const counted = request.parent?.charge?.states
      const states = counted ?? (await Promise.all((limiters.get(tier) as Limiter[]).map((count) => count(request))))
      const cost = costOf(request.route.config?.cost, request.url)
      // One is counted already.
      if (cost > 1) await Promise.all(states.map((state) => addMore(state, inWindow(cost, state) - 1)))
      request.charge = { tier, cost, states }
      return request.charge
    }

    async function admit(request: FastifyRequest): Promise<void> {
      const { tier, states } = await charge(request)
      const exceeded = states.filter(({ isExceeded }) => isExceeded)
      if (exceeded.length === 0) return
      const seconds = Math.max(...exceeded.map(({ resetMs }) => Math.ceil(resetMs / 1000)))
      throw new ApiError('TOO_MANY_REQUESTS', `Too many requests. Try again in ${seconds} s.`, {
        retryAfter: seconds,
        log: {
          tier,
          limit: exceeded.map((one) => `${one.limit} in ${one.seconds} s`).join(),
          setting: 'RATE_LIMIT_TIERS'
        }
      })
    }

    async function addMore(state: Charge['states'][number], amount: number): Promise<void> {
      const windowMs = state.seconds * 1000
      const { current } = await store.add(windowKey(state.key, windowMs), windowMs, amount)
      state.remaining = Math.max(0, state.limit - current)
      state.isExceeded = current > state.limit
    }

    // Free answers are bounded too, by the limit itself.
    async function giveBack({ cost, states }: Charge): Promise<void> {
      for (const state of states) {
        const windowMs = state.seconds * 1000
        const free = await store.add(windowKey(`${state.key}:free`, windowMs), windowMs)
        if (free.current <= state.limit) await addMore(state, -inWindow(cost, state))
      }
    }

    function tell(reply: FastifyReply, { tier, states }: Charge): void {
      if (states.length === 0) return
      reply.header('ratelimit-policy', policies.get(tier))
      reply.header('ratelimit', limitHeaders(tier, states))
    }

    // Callbacks: where there is nothing to wait for, a promise costs more than the rest.
    app.addHook('onRequest', (request, _reply: FastifyReply, done) => {
      const tier = tierOf(request)
      if (request.route.config.isProbe || limiters.get(tier)?.length === 0) {
        request.charge = { tier, cost: 0, states: [] }
        return done()
      }
      admit(request).then(() => done(), done)
    })

    app.addHook('onSend', (request, reply, _payload, done) => {
      const { charge: charged } = request
      if (charged && (charged.states.length === 0 || !isFree(reply.statusCode, request.raw.headers['if-none-match']))) {
        tell(reply, charged)
        return done()
      }
      // A request that was refused for overload before authentication is not counted.
      if (!charged && reply.statusCode === 503) return done()
      // A refused credential ends the request before the hook above, so its address is charged.
      const settled = charged ? giveBack(charged).then(() => charged) : charge(request)
      settled.then((one) => tell(reply, one)).then(() => done(), done)
    })
  },
  { name: 'rate-limit', dependencies: ['auth', 'redis', 'subrequests'] }
)

// A request that costs more than a whole window takes all of it: a small tier can still export, once.
const inWindow = (cost: number, { limit }: WindowState) => Math.min(cost, limit)

// All keys of a user with the same tier share one account: a user with a hundred keys must not have a hundred times the
// limit. Keys of the standard tier share it with the logins of the user.
function accountOf(principal: FastifyRequest['principal'], tier: string): string {
  return tier === STANDARD ? `user:${principal?.userId}` : `user:${principal?.userId}:${tier}`
}
