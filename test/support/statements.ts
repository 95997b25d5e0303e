import type { FastifyInstance } from 'fastify'

interface Logged {
  logger: object
  options: { logger: object }
}

// The regular statements of the background: changes of rights and of signing keys, and the ping of the notification channel.
const BACKGROUND = /pg_snapshot_xmin|identity_changes|pg_notify|signing_keys/

/**
 * Notes every later statement of an application, except the begin and end of transactions. It misses statements that
 * were prepared before, so use it at the beginning of a test.
 */
export function noteStatements(app: FastifyInstance): { of: (work: () => Promise<unknown>) => Promise<string[]> } {
  const { session } = app.db as unknown as { session: Logged }
  const seen: string[] = []
  const logger = {
    logQuery(statement: string) {
      if (!/^(savepoint|release|rollback)/i.test(statement) && !BACKGROUND.test(statement)) seen.push(statement)
    }
  }
  session.logger = logger
  session.options = { ...session.options, logger }
  return {
    async of(work) {
      seen.length = 0
      await work()
      return [...seen]
    }
  }
}
