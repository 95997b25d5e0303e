import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '#src/errors.ts'
import { LoadShedder, NO_QUEUE, type Priority } from '#src/limits/load-shedder.ts'
import { criticalTiers } from '#src/limits/tiers.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether an overload refuses the route early (`batch`) or never (`health`, and answers from memory). */
    priority?: 'batch' | 'health'
    /** The answer goes on for as long as the client stays: it is not in progress, and how long it takes is no duration. */
    isStream?: true
  }
  interface FastifyRequest {
    /** Whether the request is counted as in progress. */
    isCounted: boolean
    /** Whether the request is served only when its key is critical. */
    mustBeCritical: boolean
  }
}

/**
 * Refuses requests that cannot be served in time, before any work, so that the others can be. Health is always
 * answered; then come keys of a critical tier, then requests for one row, then requests for many rows.
 */
export default fp(
  async (app) => {
    // The embedded database works in the event loop, which is then late without an overload.
    const shedder = new LoadShedder(app.config.DATABASE_URL !== undefined, (ms) => app.sampleDatabase(ms))
    const unwatch = shedder.watch()
    app.addHook('onClose', async () => unwatch())
    const critical = criticalTiers(app.config.RATE_LIMIT_TIERS)
    app.decorateRequest('isCounted', false)
    app.decorateRequest('mustBeCritical', false)

    app.addHook('onRequest', (request, _reply: FastifyReply, done) => {
      const { config } = request.route
      const { priority = 'interactive' } = config
      if (priority === 'health') return done()
      if (!config.isStream) shedder.begin()
      request.isCounted = !config.isStream
      if (isAdmitted(priority, request)) return done()
      // Only a key can be critical, and its tier is known only after authentication.
      if (critical.size === 0 || !bringsKey(request) || !isAdmitted('critical', request)) return done(refusal())
      request.mustBeCritical = true
      done()
    })

    if (critical.size > 0) {
      app.addHook('preParsing', (request, _reply: FastifyReply, payload, done) => {
        const isRefused = request.mustBeCritical && !critical.has(request.principal?.tier as string)
        done(isRefused ? refusal() : null, payload)
      })
    }

    app.addHook('onResponse', (request, _reply: FastifyReply, done) => {
      if (request.isCounted) shedder.end()
      done()
    })

    function isAdmitted(priority: Priority, { route: { config }, headers }: FastifyRequest): boolean {
      const { waiting } = app.databaseLoad()
      const queue =
        waiting === 0
          ? NO_QUEUE
          : { waiting, waitedMs: app.databaseWaitMs(config), predictedMs: app.databasePredictedMs(config) }
      const given = headers['request-timeout']
      // A value that is no number is refused later, with a message.
      return shedder.admits(priority, queue, Number(given) > 0 ? Number(given) * 1000 : undefined)
    }

    function refusal(): ApiError {
      const { stackTraceLimit } = Error
      // A stack trace would be a large part of the cost of a refusal, and is not used.
      Error.stackTraceLimit = 0
      const refused = new ApiError('OVERLOADED', 'There is more to do than can be done. Nothing was begun.', {
        retryAfter: shedder.retryAfter(),
        log: { setting: 'DATABASE_POOL_MAX, WORKERS' }
      })
      Error.stackTraceLimit = stackTraceLimit
      return refused
    }
  },
  { name: 'overload', dependencies: ['cors', 'db', 'errors'] }
)

const bringsKey = ({ headers }: FastifyRequest) =>
  headers['x-api-key'] !== undefined || /^bearer tn_/i.test(headers.authorization ?? '')
