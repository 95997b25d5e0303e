import { getTableName } from 'drizzle-orm'
import fp from 'fastify-plugin'
import { addVersionTriggers, tablesWithoutVersionTrigger } from '#src/db/row-versions.ts'

/** Sees to it that the version of a row, which its ETag is made from, moves whatever changes the row. */
export default fp(
  async (app) => {
    app.addHook('onReady', async () => {
      const tables = app.routeTable.flatMap(({ config }) =>
        config?.resource ? getTableName(config.resource.table) : []
      )
      const names = [...new Set(tables)]
      const warn = (what: string) => app.log.warn(`the triggers of row versions: ${what}`)
      if (app.config.MIGRATE_ON_START) await addVersionTriggers(app.db, names, warn)
      for (const table of await tablesWithoutVersionTrigger(app.db, names)) {
        warn(`'${table}' has none, so that other programs do not move its ETags; npm run migrate makes it`)
      }
    })
  },
  { name: 'row-versions', dependencies: ['db', 'routes'] }
)
