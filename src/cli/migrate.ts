import type { Config } from '../config.ts'
import { command, type MakeCommand } from './frame.ts'

type Say = (line: string) => void

/**
 * Applies pending migrations, and makes the triggers of resources that no migration has made.
 * @param say called with each step. @returns a summary for a person.
 */
export async function migrate(env: NodeJS.ProcessEnv, say: Say): Promise<string> {
  const [{ reportTo }, { withDatabase }] = await Promise.all([import('../db/migrate.ts'), import('./open.ts')])
  const [applied, config] = await withDatabase(env, async ({ migrate: apply }, config) => {
    return [await apply(reportTo({ info: say, warn: say })), config] as const
  })
  await setTriggers(config, say)
  return applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.length} migrations.`
}

// The triggers of versions, events and caches follow the declarations of the resources, which only the application knows.
async function setTriggers(config: Config, say: Say): Promise<void> {
  const { buildApp } = await import('../app.ts')
  const { REDIS_URL, ...others } = config
  const alone = {
    ...others,
    DATABASE_REPLICA_URLS: '',
    JOBS: 'off',
    MIGRATE_ON_START: true,
    LOG_LEVEL: 'warn'
  } as const
  const log = {
    /* c8 ignore next 4 -- nothing waits on the embedded database, which has one connection */
    write(line: string) {
      say(JSON.parse(line).msg)
      return true
    }
  }
  const app = await buildApp(alone, { log })
  await app.close()
}

/** `tenon migrate` */
export const migrateCommand: MakeCommand = ({ env, output: { say } }) =>
  command('migrate', 'Apply pending migrations to the database of DATABASE_URL, or to the embedded one', [
    'DATABASE_URL=postgres://… tenon migrate'
  ]).action(async () => say(await migrate(env, say)))
