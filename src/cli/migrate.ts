import { reportTo } from '../db/migrate.ts'
import { withDatabase } from './open.ts'

/** Applies pending migrations. @param say called with each step. @returns a summary for a person. */
export function migrate(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<string> {
  return withDatabase(env, async ({ migrate: apply }) => {
    const applied = await apply(reportTo({ info: say, warn: say }))
    return applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.length} migrations.`
  })
}
