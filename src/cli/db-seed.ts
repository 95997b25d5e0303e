import { loadConfig } from '../config.ts'
import { MisuseError } from '../tools/misuse.ts'
import { command, type MakeCommand } from './frame.ts'
import type { seedDatabase } from './seed/run.ts'
import { countsIn, wholeNumber } from './values.ts'

interface Flags {
  rows?: string[]
  seed: string
  force?: boolean
  json?: boolean
}

/** `tenon db seed` */
export const dbSeedCommand: MakeCommand = ({ env, output }) =>
  command('seed', 'Make plausible rows from the schemas of the resources, the same for the same seed', [
    'tenon db seed',
    'tenon db seed --rows products=1_000_000 users=50',
    'tenon db seed --rows items=1000 --seed 7'
  ])
    .option('--rows <resource=count...>', 'how many rows of which resources; 100 of each when left out')
    .option('--seed <number>', 'other rows for another number', '1')
    .option('--force', 'where NODE_ENV is production, too')
    .option('--json', 'print what was made as JSON')
    .action(async ({ rows, seed, force, json }: Flags) => {
      if (loadConfig(env).NODE_ENV === 'production' && !force)
        throw new MisuseError('this is production: made-up rows go in with --force only')
      const wanted = rows && countsIn('rows', rows)
      const text = String(wholeNumber('seed', seed, 1, 0))
      const [{ withApp, withDatabase }, { resourcesOf }, run] = await Promise.all([
        import('./open.ts'),
        import('./seed/plan.ts'),
        import('./seed/run.ts')
      ])
      const resources = await withApp(env, async (app) => resourcesOf(app))
      const done = await withDatabase(env, (database, { ADMIN_EMAIL: email, ADMIN_PASSWORD: password }) =>
        run.seedDatabase(database, resources, {
          ...{ seed: text, wanted },
          ...{ admin: { email, password }, onProgress: output.progress }
        })
      )
      output.progress('')
      output.say(json ? JSON.stringify(done) : describe(done))
    })

function describe({ admin, made }: Awaited<ReturnType<typeof seedDatabase>>): string {
  const first = admin?.isGenerated ? [`Administrator: ${admin.email}  password: ${admin.password}  (shown once)`] : []
  const lines = made.map(
    ({ resource, rows, seconds }) => `${resource}: ${rows.toLocaleString('en')} rows in ${seconds} s`
  )
  return [...first, ...lines].join('\n')
}
