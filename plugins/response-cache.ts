import fp from 'fastify-plugin'
import { addChangeTriggers, TableWatch, tablesWithoutTrigger } from '#src/db/notifications/table-changes.ts'
import { ResponseCache } from '#src/resource/cache/response-cache.ts'
import { DeclarationError } from '#src/resource/model.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The cached answers of resources that declare `cache`. */
    responseCache: ResponseCache
  }
}

/** Caches answers of resources that declare `cache`, and drops them when their tables are written. */
export default fp(
  async (app) => {
    const answers = new ResponseCache()
    const watch = new TableWatch(app.db, app.listenToDatabase, (table) => answers.written(table))
    answers.trustUntil(() => watch.receivedUntil)
    app.databaseWrites.onWrite((tables) => {
      for (const table of tables) answers.written(table)
    })
    app.decorate('responseCache', answers)

    app.addHook('onReady', async () => {
      const tables = answers.tables
      if (tables.size === 0) return
      if (app.config.MIGRATE_ON_START) {
        /* c8 ignore next 3 -- no statement of the embedded database waits for a lock */
        await addChangeTriggers(app.db, tables.keys(), (reason) =>
          app.log.warn(`the trigger of a cache waits for ${reason}`)
        )
      }
      const [untold] = await tablesWithoutTrigger(app.db, tables.keys())
      if (untold !== undefined) throw untoldError(tables.get(untold) as string, untold)
      await watch.start()
    })
    app.addHook('onClose', () => watch.close())
  },
  { name: 'response-cache', dependencies: ['db'] }
)

function untoldError(resource: string, table: string): DeclarationError {
  const why = `cache needs the trigger tenon_table_changed on '${table}'`
  return new DeclarationError(`${resource}: ${why}; npm run migrate makes it`)
}
