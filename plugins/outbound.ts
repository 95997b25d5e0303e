import fp from 'fastify-plugin'
import { Gauge, type Metric } from 'prom-client'
import { Durations } from '#src/observe/durations.ts'
import { parseNetworks } from '#src/outbound/addresses.ts'
import { Outbound, type OutboundOptions } from '#src/outbound/outbound.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Calls other services. */
    outbound: Outbound
  }
}

// Hosts come from settings; should a route take them from rows, they must not fill the memory.
const MAX_LABELS = 100

/** The client for calls to other services, and its metrics: calls by host and outcome, and hosts that fail. */
export default fp(
  async (app) => {
    const calls = new Durations('outbound_request_duration_seconds', 'Time of each call to another service.')
    const hosts = new Set<string>()
    const labelOf = (host: string) => {
      if (hosts.size < MAX_LABELS) hosts.add(host)
      return hosts.has(host) ? host : 'other'
    }
    const onCall: OutboundOptions['onCall'] = ({ host, outcome, seconds }) =>
      calls.observe(calls.series({ host: labelOf(host), outcome }), seconds)
    const outbound = new Outbound({ allowed: parseNetworks(app.config.WEBHOOK_ALLOWED_ADDRESSES), onCall })
    app.addHook('onClose', () => outbound.close())
    app.decorate('outbound', outbound)

    app.metrics.registerMetric(calls as unknown as Metric)
    app.metrics.registerMetric(
      new Gauge({
        name: 'outbound_breakers_open',
        help: 'Hosts that are left alone because calls to them failed.',
        labelNames: ['host'],
        registers: [],
        collect() {
          this.reset()
          for (const host of outbound.resting()) this.inc({ host: labelOf(host) })
        }
      })
    )
  },
  { name: 'outbound', dependencies: ['metrics'] }
)
