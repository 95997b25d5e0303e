import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { type Logger, pino } from 'pino'
import type { AppOptions } from './app.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import type { Database } from './db/database.ts'
import { assertTablesExist } from './db/declared-tables.ts'
import { reportTo } from './db/migrate.ts'
import { openDatabase } from './db/open.ts'
import { readDatabaseUrl } from './db/postgres/url.ts'
import { whenReachable } from './db/postgres/wait-until-reachable.ts'
import { createFirstAdmin } from './identity/users.ts'
import { gatherMetrics } from './observe/worker-metrics.ts'
import { explainFailure } from './process/explain-failure.ts'
import { shutDownOn } from './process/shutdown.ts'
import { isOwnWorker, leadWorkers, tellListening } from './process/workers.ts'

const LONG_MS = 2_000_000_000
const SIGNALS: NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
const [command, ...others] = isOwnWorker ? [] : process.argv.slice(2)

// A server that took a mistyped `worker` for nothing would serve where it was meant not to.
const unknown = command === 'worker' ? others[0] : command
if (unknown !== undefined) {
  const known = "the only argument is 'worker', which runs jobs and serves nothing; settings are environment variables"
  process.stderr.write(`tenon: unknown argument '${unknown}': ${known}\n`)
  process.exit(2)
}

// Collect the whole heap when live data has grown by half. V8 alone waits until it is up to three times as large: an
// import of 200,000 rows then takes 130 MB, and 50 MB with this setting, in the same time.
setFlagsFromString('--heap-growing-percent=50')

try {
  await start()
} catch (error) {
  process.stderr.write(`tenon: ${explainFailure(error as Error)}\n`)
  process.exit(1)
}

async function start(): Promise<void> {
  const config = loadConfig(process.env)
  // The server never waits for a slow reader of the log: beyond 16 MiB lines are dropped.
  const log = pino.destination({ sync: false, maxWrite: 65_536, maxLength: 16_777_216 })
  if (!isOwnWorker) nameDatabase(config)
  if (command === 'worker') return work(config, log)
  return config.WORKERS > 1 && cluster.isPrimary ? lead(config, log) : serve(config, log)
}

type Log = ReturnType<typeof pino.destination>

async function serve(config: Config, log: Log): Promise<void> {
  const { app, admin } = await whenThere(config, () => prepare(config, { log }))
  shutDownOn(SIGNALS, app, config.SHUTDOWN_GRACE_MS, (code) => process.exit(code))
  const address = await app.listen({ host: config.HOST, port: config.PORT })
  if (isOwnWorker) return tellListening(address)
  introduce(admin)
  announce(address)
}

// Runs jobs and serves nothing.
async function work(config: Config, log: Log): Promise<void> {
  if (!config.DATABASE_URL)
    throw new ConfigError(['a worker needs DATABASE_URL: one process owns the embedded database'])
  if (config.JOBS === 'off') throw new ConfigError(['a worker needs JOBS=on: JOBS=off is for the servers beside it'])
  const { app, admin } = await whenThere(config, () => prepare(config, { log }))
  shutDownOn(SIGNALS, app, config.SHUTDOWN_GRACE_MS, (code) => process.exit(code))
  // The connections alone do not keep the process: those of a pool are closed when they are idle.
  setInterval(() => {}, LONG_MS)
  introduce(admin)
  say(`Tenon runs jobs: ${[...app.jobs.definitions.keys()].join(', ')}`)
}

async function lead(config: Config, stream: Log): Promise<void> {
  const log = pino({ level: config.LOG_LEVEL }, stream)
  introduce(await whenThere(config, () => prepareForWorkers(config, log)))
  const { WORKERS: count, SHUTDOWN_GRACE_MS: graceMs } = config
  if (config.RATE_LIMIT_ENABLED && !config.REDIS_URL) {
    log.warn(`each of ${count} workers counts rate limits by itself: set REDIS_URL to have them counted together`)
  }
  gatherMetrics()
  leadWorkers({ count, graceMs, log, onListening: announce, exit: (code) => process.exit(code) })
}

// The port stays closed until the server can serve: a probe then waits, and a proxy tries another instance.
async function whenThere<T>(config: Config, work: () => Promise<T>): Promise<T> {
  const leave = () => process.exit(0)
  for (const signal of SIGNALS) process.once(signal, leave)
  const done = await whenReachable(work, (reason) => {
    // Only a database server can be away.
    const { place } = readDatabaseUrl(config.DATABASE_URL as string)
    process.stderr.write(`tenon: waiting for the database at ${place}: ${reason}\n`)
  })
  for (const signal of SIGNALS) process.removeListener(signal, leave)
  return done
}

async function prepare(config: Config, options: AppOptions) {
  // The primary of workers does not load the application.
  const { buildApp } = await import('./app.ts')
  const app = await buildApp(config, options)
  try {
    return { app, admin: isOwnWorker ? undefined : await makeAdmin(app.db, config) }
    /* c8 ignore next 4 -- the database went away in the moment between the two */
  } catch (error) {
    await app.close()
    throw error
  }
}

// One-time work is done before there are workers.
async function prepareForWorkers(config: Config, log: Logger) {
  const { DATABASE_URL: url, DATA_DIR: dataDir } = config
  const database = await openDatabase({ url, dataDir, poolMax: 1 })
  try {
    if (config.MIGRATE_ON_START) await database.migrate(reportTo(log))
    await assertTablesExist(database.db)
    return await makeAdmin(database.db, config)
  } finally {
    await database.close()
  }
}

function makeAdmin(db: Database, { ADMIN_EMAIL, ADMIN_PASSWORD }: Config) {
  return createFirstAdmin(db, ADMIN_EMAIL, ADMIN_PASSWORD)
}

function introduce(admin: Awaited<ReturnType<typeof createFirstAdmin>>): void {
  if (admin?.isGenerated) say(`First start. Administrator: ${admin.email}  password: ${admin.password}  (shown once)`)
}

function nameDatabase({ DATABASE_URL, DATA_DIR }: Config): void {
  if (DATABASE_URL) say(`Database: PostgreSQL at ${readDatabaseUrl(DATABASE_URL).place}`)
  else if (existsSync(join(DATA_DIR, 'pglite'))) say(`Database: embedded, in ${DATA_DIR}`)
  else say(`Database: embedded, made in ${DATA_DIR} now, which takes some seconds; DATABASE_URL names a PostgreSQL`)
}

function announce(address: string): void {
  say(`Tenon listens on ${address}`)
  say(`Documentation: ${address}/docs`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
