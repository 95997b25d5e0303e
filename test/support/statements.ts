import type { FastifyInstance } from 'fastify'

interface Logged {
  logger: object
  options: { logger: object }
}

// What is asked every second, whoever is there: whether rights have changed, and whether changes are heard.
const BACKGROUND = /pg_snapshot_xmin|identity_changes|pg_notify/

/**
 * Notes every statement that an application sends from now on, without what begins and ends transactions. Statements
 * that were prepared before are not seen, so this is for the beginning of a test.
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
