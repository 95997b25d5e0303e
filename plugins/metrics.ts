import type { FastifyContextConfig, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { Durations, type Series } from '#src/observe/durations.ts'
import { shareMetrics } from '#src/observe/worker-metrics.ts'
import { isOwnWorker } from '#src/process/workers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The text of `/metrics`, for all workers where there are several. */
    renderMetrics: () => Promise<string>
    /** Where a concern registers metrics of its own. */
    metrics: Registry
  }
}

/**
 * Counts requests by route, method and status with their duration, refusals by code, and the state of process and pool.
 */
export default fp(
  async (app) => {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const requests = new Durations('http_request_duration_seconds', 'Time from the request to the end of its answer.')
    registry.registerMetric(requests as unknown as Metric)
    registry.registerMetric(
      new Gauge({
        name: 'database_statements',
        help: 'Statements and transactions that run, and that wait for a connection.',
        labelNames: ['state'],
        registers: [],
        collect() {
          const { running, waiting } = app.databaseLoad()
          this.set({ state: 'running' }, running)
          this.set({ state: 'waiting' }, waiting)
        }
      })
    )
    const refusals = new Counter({
      name: 'http_refusals_total',
      help: 'Error answers by the code of the catalogue.',
      labelNames: ['code', 'method', 'route'],
      registers: [registry]
    })
    app.decorate('metrics', registry)
    app.decorate('renderMetrics', isOwnWorker ? shareMetrics(registry) : () => registry.metrics())

    // The labels of a route never change, so a route and a status find its series.
    const series = new WeakMap<object, Map<number, Series>>()
    const nowhere: FastifyContextConfig = {}
    app.addHook('onResponse', (request, reply, done) => {
      const route = request.is404 ? nowhere : request.route.config
      const byStatus = series.get(route) ?? new Map<number, Series>()
      series.set(route, byStatus)
      const { statusCode } = reply
      const one = byStatus.get(statusCode) ?? requests.series(labelsOf(request, statusCode))
      byStatus.set(statusCode, one)
      // Of a stream the time until its handler began: the rest is how long its reader stayed.
      const ms = statusCode === 200 && route.isStream ? request.validatedMs : reply.elapsedTime
      requests.observe(one, ms / 1000)
      if (request.refusal) {
        const { method, route } = one.labels as { method: string; route: string }
        refusals.inc({ code: request.refusal.code, method, route })
      }
      done()
    })
  },
  { name: 'metrics', dependencies: ['db', 'errors'] }
)

// Only declared paths and methods become labels: those that a client invents would grow the memory.
function labelsOf({ is404, route }: FastifyRequest, status: number): Record<string, string> {
  const { method, url } = is404 ? { method: 'any', url: 'none' } : route
  return { method: String(method), route: String(url), status: String(status) }
}
