import { command, type MakeCommand } from './frame.ts'

type Say = (line: string) => void

/**
 * Applies pending migrations, and makes the triggers of resources that no migration has made.
 * @param say called with each step. @returns a summary for a person.
 */
export async function migrate(env: NodeJS.ProcessEnv, say: Say): Promise<string> {
  const [{ reportTo }, { withApp, withDatabase }] = await Promise.all([import('../db/migrate.ts'), import('./open.ts')])
  const applied = await withDatabase(env, ({ migrate: apply }) => apply(reportTo({ info: say, warn: say })))
  // The triggers of versions, events and caches follow the declarations of the resources, which only the application knows.
  await withApp(env, async () => {}, { migrate: true, log: say })
  return applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.length} migrations.`
}

/** `tenon migrate` */
export const migrateCommand: MakeCommand = ({ env, output: { say } }) =>
  command('migrate', 'Apply pending migrations to the database of DATABASE_URL, or to the embedded one', [
    'DATABASE_URL=postgres://… tenon migrate'
  ]).action(async () => say(await migrate(env, say)))
