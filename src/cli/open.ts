import { type Config, loadConfig } from '../config.ts'
import { type OpenDatabase, openDatabase } from '../db/open.ts'

/** Runs work on the configured database, and closes it. @throws DirectoryInUseError saying what to do instead. */
export async function withDatabase<T>(
  env: NodeJS.ProcessEnv,
  work: (database: OpenDatabase, config: Config) => Promise<T>
): Promise<T> {
  const config = loadConfig(env)
  const database = await openDatabase({
    url: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    poolMax: 1
  }).catch(advise)
  try {
    return await work(database, config)
  } finally {
    await database.close()
  }
}

/** Runs work on the whole application, which serves nothing, does no jobs and writes no log; and closes it. */
export async function withApp<T>(
  env: NodeJS.ProcessEnv,
  work: (app: App, config: Config) => Promise<T>,
  options: { migrate?: boolean; log?: (line: string) => void } = {}
): Promise<T> {
  const config = loadConfig(env)
  const { buildApp } = await import('../app.ts')
  const { REDIS_URL, ...others } = config
  const alone = {
    ...others,
    DATABASE_REPLICA_URLS: '',
    JOBS: 'off',
    MIGRATE_ON_START: options.migrate ?? false,
    LOG_LEVEL: 'warn'
  } as const
  const log = {
    /* c8 ignore next 4 -- nothing waits on the embedded database, which has one connection */
    write(line: string) {
      options.log?.(JSON.parse(line).msg)
      return true
    }
  }
  const app = await buildApp(alone, { log }).catch(advise)
  try {
    return await work(app, config)
  } finally {
    await app.close()
  }
}

/** The whole application. */
export type App = Awaited<ReturnType<typeof import('../app.ts').buildApp>>

function advise(error: Error): never {
  if (error.name === 'DirectoryInUseError')
    error.message += ', which alone can use the embedded database: stop it meanwhile, or ask it through its API'
  throw error
}
