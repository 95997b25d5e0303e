import { loadConfig } from '../config.ts'
import { MisuseError } from '../tools/misuse.ts'

/** The data directory of the embedded database. @throws MisuseError, with the tool to take, for a PostgreSQL. */
export function embeddedDirectory(env: NodeJS.ProcessEnv, instead: string): string {
  const { DATABASE_URL, DATA_DIR } = loadConfig(env)
  if (DATABASE_URL) throw new MisuseError(`this is for the embedded database; of a PostgreSQL take ${instead}`)
  return DATA_DIR
}
