import { type Config, loadConfig } from '../config.ts'
import { type OpenDatabase, openDatabase } from '../db/open.ts'

/** Runs work on the configured database, and closes it. */
export async function withDatabase<T>(
  env: NodeJS.ProcessEnv,
  work: (database: OpenDatabase, config: Config) => Promise<T>
): Promise<T> {
  const config = loadConfig(env)
  const database = await openDatabase({ url: config.DATABASE_URL, dataDir: config.DATA_DIR, poolMax: 1 })
  try {
    return await work(database, config)
  } finally {
    await database.close()
  }
}
