import { createSecretKey, type KeyObject } from 'node:crypto'
import fp from 'fastify-plugin'
import type { Limiter } from '#src/concurrency/limiter.ts'
import type { Database, Listen } from '#src/db/database.ts'
import { assertTablesExist } from '#src/db/declared-tables.ts'
import { reportTo } from '#src/db/migrate.ts'
import type { WriteTracker } from '#src/db/notifications/write-tracker.ts'
import { openDatabase } from '#src/db/open.ts'
import { sharedKey } from '#src/db/shared-secrets.ts'
import { isOwnWorker } from '#src/process/workers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: Database
    /** Settles when the database has answered a statement. */
    pingDatabase: () => Promise<void>
    /** The numbers of running and waiting statements. */
    databaseLoad: () => Limiter['load']
    /** How long the first waiting statement of a route has waited, in milliseconds. */
    databaseWaitMs: Limiter['waitedMs']
    /** The predicted wait of a new statement of a route, in milliseconds. */
    databasePredictedMs: Limiter['predictedMs']
    /** Adds the statements that ended since the last sample. */
    sampleDatabase: Limiter['sample']
    /** Subscribes to what instances tell each other through the database. */
    listenToDatabase: Listen
    /** The tables that this process writes. */
    databaseWrites: WriteTracker
    /** The key that signs cursors. */
    cursorKey: KeyObject
  }
}

/** Opens the database, brings its tables up to date, and closes it last. */
export default fp(
  async (app) => {
    const { DATABASE_URL, DATABASE_POOL_MAX, DATA_DIR, MIGRATE_ON_START } = app.config
    const database = await openDatabase({ url: DATABASE_URL, poolMax: DATABASE_POOL_MAX, dataDir: DATA_DIR })
    app.addHook('onClose', () => database.close())
    // Own workers do not migrate: their primary process did it before it started them.
    if (MIGRATE_ON_START && !isOwnWorker) await database.migrate(reportTo(app.log))
    await assertTablesExist(database.db)

    app.decorate('db', database.db)
    app.decorate('pingDatabase', database.ping)
    app.decorate('databaseLoad', () => database.limiter.load)
    app.decorate('databaseWaitMs', (route: object) => database.limiter.waitedMs(route))
    app.decorate('databasePredictedMs', (route: object) => database.limiter.predictedMs(route))
    app.decorate('sampleDatabase', (ms: number) => database.limiter.sample(ms))
    app.decorate('listenToDatabase', database.listen)
    app.decorate('databaseWrites', database.writes)
    app.decorate('cursorKey', createSecretKey(await sharedKey(database.db, 'cursors')))
  },
  { name: 'db', dependencies: ['routes'] }
)
