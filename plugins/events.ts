import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import { EventLog } from '#src/events/log.ts'
import { EventNews } from '#src/events/news.ts'
import { EventStreams } from '#src/events/streams.ts'
import { setEventTriggers, tablesWithOtherTriggers } from '#src/events/triggers.ts'
import { assertOneSourceEach, eventSource, recordedTable } from '#src/resource/events.ts'
import type { Resource } from '#src/resource/model.ts'
import { makeContext } from '#src/resource/rows/batched.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The events of all resources. */
    events: EventLog
    /** Tells when there may be new events. */
    eventNews: EventNews
    /** The streams of events that are open. */
    eventStreams: EventStreams
  }
}

/** Sees to it that every change of a resource that declares `events` is recorded, and gives the events to their readers. */
export default fp(
  async (app) => {
    const log = new EventLog(app.db)
    app.decorate('events', log)
    const news = new EventNews(app.db, app.listenToDatabase, app.config.DATABASE_URL === undefined)
    app.decorate('eventNews', news)
    app.addHook('onClose', () => news.close())
    const streams = new EventStreams({
      log,
      news,
      listen: app.listenToDatabase,
      catchUp: () => app.identity.principals.catchUp(),
      onFailure: (err) => app.log.warn({ err }, 'streams cannot follow the events')
    })
    app.decorate('eventStreams', streams)
    app.addHook('preClose', () => streams.close())
    app.metrics.registerMetric(
      new Gauge({
        name: 'event_streams',
        help: 'Streams of events that are open.',
        registers: [],
        collect() {
          this.set(streams.count)
        }
      })
    )

    app.addHook('onReady', async () => {
      const all = app.routeTable.flatMap(({ config }) => (config?.resource?.declaration.events ? config.resource : []))
      const resources = [...new Set<Resource>(all)]
      assertOneSourceEach(resources)
      for (const resource of resources) log.add(eventSource(makeContext(app, resource)))
      const tables = resources.map(recordedTable)
      const recorded = new Set(tables.map(({ table }) => table))
      app.databaseWrites.onWrite((written) => {
        for (const table of written) if (recorded.has(table)) return news.recorded()
      })
      // A process that was killed after a commit told nothing of it.
      news.recorded()
      const warn = (what: string) => app.log.warn(`the triggers of events: ${what}`)
      if (app.config.MIGRATE_ON_START) await setEventTriggers(app.db, tables, warn)
      for (const table of await tablesWithOtherTriggers(app.db, tables)) {
        warn(`those of '${table}' are not as declared, so its changes have no events; npm run migrate makes them`)
      }
    })
  },
  { name: 'events', dependencies: ['auth', 'db', 'metrics', 'routes'] }
)
