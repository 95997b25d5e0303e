import { join } from 'node:path'
import { loadConfig } from '../../config.ts'
import { readStatus } from '../../db/status.ts'
import { listKeys } from '../../identity/api-keys/keys-of-users.ts'
import { withApp, withDatabase } from '../open.ts'
import { routesWithoutExamples } from './examples.ts'
import { type Finding, findingOf } from './finding.ts'
import { missingIndexes, unindexedKeys } from './indexes.ts'
import { neglectedKeys } from './keys.ts'
import { clockSkew, connections } from './server.ts'
import { contradictions, weakSecrets } from './settings.ts'
import { drift, pendingMigrations } from './tables.ts'
import { oldVersions } from './versions.ts'

const PROJECT = join(import.meta.dirname, '../../..')

/**
 * Looks for what is wrong with an installation: settings, database, keys, routes.
 * @param instances how many of them run.
 */
export async function examine(env: NodeJS.ProcessEnv, instances: number): Promise<Finding[]> {
  const config = readConfig(env)
  if (Array.isArray(config)) return config
  const settings = [...weakSecrets(config), ...contradictions({ ...config, env, instances })]
  const database = await withDatabase(env, async (open) => {
    const status = await readStatus(open.db)
    return {
      isWhole: status.pending.length === 0 && status.missing.length === 0,
      found: [
        ...pendingMigrations(status),
        ...(await drift(open.db, status)),
        ...(await clockSkew(open.db)),
        ...(await connections(open, config, instances)),
        ...oldVersions(PROJECT, process.versions.node, status.version)
      ]
    }
  })
  const found = [...settings, ...database.found]
  // Without its tables the application does not start.
  return database.isWhole ? [...found, ...(await examineApp(env))] : found
}

function readConfig(env: NodeJS.ProcessEnv) {
  try {
    return loadConfig(env)
  } catch (error) {
    const lines = (error as Error).message.split('\n  ')
    return (lines.length > 1 ? lines.slice(1) : lines).map((line) =>
      findingOf('settings')(line, 'no start is possible with it: .env.example has every setting')
    )
  }
}

async function examineApp(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const warnings: string[] = []
  const note = (line: string) => void warnings.push(line)
  const found = await withApp(
    env,
    async (app) => [
      ...(await unindexedKeys(app.db)),
      ...(await missingIndexes(app.db, new Set(app.routeTable.flatMap(({ config }) => config?.resource ?? [])))),
      ...neglectedKeys(await listKeys(app.db)),
      ...routesWithoutExamples(app.routeTable)
    ],
    { log: note }
  )
  return [...warnings.map((line) => findingOf('drift')(line, 'npx tenon migrate')), ...found]
}
