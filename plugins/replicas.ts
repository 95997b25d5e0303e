import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '#src/db/database.ts'
import { readDatabaseUrl } from '#src/db/postgres/url.ts'
import { ReadYourWrites } from '#src/db/replicas/read-your-writes.ts'
import { Replicas } from '#src/db/replicas/replicas.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The replicas for reads; undefined where there is no `DATABASE_REPLICA_URLS`. */
    replicas: ReadReplicas | undefined
  }
}

interface ReadReplicas {
  /** For statements that only read, outside of transactions. */
  db: Database
  /** Whether a user, or an anonymous client, may read there: it must not miss the user's own last changes. */
  serves(userId: string | undefined): boolean
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Lets replicas answer reads, except for users that changed something a moment ago. */
export default fp(
  async (app) => {
    const { DATABASE_URL, DATABASE_REPLICA_URLS, DATABASE_POOL_MAX } = app.config
    if (!DATABASE_REPLICA_URLS) {
      app.decorate('replicas', undefined)
      return
    }
    const replicas = await Replicas.open({
      urls: DATABASE_REPLICA_URLS.split(','),
      url: DATABASE_URL as string,
      primary: app.db,
      poolMax: DATABASE_POOL_MAX,
      log: app.log
    })
    app.addHook('onClose', () => replicas.close())
    // A pooler passes no notifications of writes on other instances, so authenticated users read from the primary.
    if (readDatabaseUrl(DATABASE_URL as string).isPooled) {
      app.decorate('replicas', { db: replicas.db, serves: (userId) => userId === undefined && replicas.areUsable })
      return
    }
    const writers = new ReadYourWrites(app.db, app.listenToDatabase)
    app.addHook('onClose', () => writers.close())
    await writers.start()
    app.decorate('replicas', {
      db: replicas.db,
      serves: (userId) => replicas.areUsable && (userId === undefined || !writers.mustReadPrimary(userId))
    })

    app.addHook('onSend', ({ method, principal }: FastifyRequest, _reply: FastifyReply, _payload, done) => {
      if (READS.has(method) || !principal) return done()
      writers.wrote(principal.userId).then(() => done(), done)
    })
  },
  { name: 'replicas', dependencies: ['db', 'auth'] }
)
