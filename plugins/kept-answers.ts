import fp from 'fastify-plugin'
import { TableWatch, tellTables, untoldTables } from '#src/db/notifications/table-changes.ts'
import { KeptAnswers } from '#src/resource/cache/kept-answers.ts'
import { DeclarationError } from '#src/resource/model.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The answers of resources that declare `cache`. */
    keptAnswers: KeptAnswers
  }
}

/** Keeps answers of resources that declare `cache`, and follows who writes the tables that they were read from. */
export default fp(
  async (app) => {
    const answers = new KeptAnswers()
    const watch = new TableWatch(app.db, app.listenToDatabase, (table) => answers.written(table))
    answers.believe(() => watch.heardUntil)
    app.databaseWrites.onWrite((tables) => {
      for (const table of tables) answers.written(table)
    })
    app.decorate('keptAnswers', answers)

    app.addHook('onReady', async () => {
      const tables = answers.tables
      if (tables.size === 0) return
      if (app.config.MIGRATE_ON_START) await tellTables(app.db, tables.keys())
      const [untold] = await untoldTables(app.db, tables.keys())
      if (untold !== undefined) throw untoldError(tables.get(untold) as string, untold)
      await watch.start()
    })
    app.addHook('onClose', () => watch.close())
  },
  { name: 'kept-answers', dependencies: ['db'] }
)

function untoldError(resource: string, table: string): DeclarationError {
  const why = `cache needs the trigger tenon_table_changed on '${table}'`
  return new DeclarationError(`${resource}: ${why}; one start with MIGRATE_ON_START=true makes it`)
}
