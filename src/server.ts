import { pino } from 'pino'
import { type AppOptions, buildApp } from './app.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { DirectoryInUseError } from './db/lock.ts'
import { readDatabaseUrl } from './db/url.ts'
import { describeFailure, whenReachable } from './db/wait.ts'
import { createFirstAdmin } from './identity/users.ts'
import { describeForLog } from './log.ts'
import { DeclarationError } from './resource/resource.ts'
import { RouteError } from './routes-check.ts'
import { shutDownOn } from './shutdown.ts'

try {
  await start()
} catch (error) {
  process.stderr.write(`tenon: ${explain(error as Error)}\n`)
  process.exit(1)
}

// What the operator can mend is one line; anything else is a fault of ours and comes with its stack.
function explain(error: Error): string {
  const isExpected = [ConfigError, DirectoryInUseError, DeclarationError, RouteError].some(
    (kind) => error instanceof kind
  )
  if (isExpected || (error as NodeJS.ErrnoException).syscall === 'listen') return error.message
  const failure = describeFailure(error)
  if (failure) return `the database cannot be used: ${failure}`
  const { message, stack } = describeForLog(error)
  return `${message}\n${stack}`
}

async function start(): Promise<void> {
  const config = loadConfig(process.env)
  const { app, admin } = await startUp(config)
  const address = await app.listen({ host: config.HOST, port: config.PORT })
  const say = (line: string) => process.stdout.write(`${line}\n`)
  if (admin?.isGenerated) say(`First start. Administrator: ${admin.email}  password: ${admin.password}  (shown once)`)
  say(`Tenon listens on ${address}`)
  say(`Documentation: ${address}/docs`)
}

// Until it can serve nobody listens: a probe that finds the port closed waits, and a proxy tries another instance.
async function startUp(config: Config) {
  // Nothing waits for a reader of the log who is slow: beyond 16 MiB lines are dropped.
  const log = pino.destination({ sync: false, maxLength: 16_777_216 })
  const signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
  const leave = () => process.exit(0)
  for (const signal of signals) process.once(signal, leave)
  const started = await whenReachable(
    () => prepare(config, { log }),
    (reason) => {
      // Only a server can be away.
      const { place } = readDatabaseUrl(config.DATABASE_URL as string)
      process.stderr.write(`tenon: waiting for the database at ${place}: ${reason}\n`)
    }
  )
  for (const signal of signals) process.removeListener(signal, leave)
  shutDownOn(signals, started.app, config.SHUTDOWN_GRACE_MS, (code) => process.exit(code))
  return started
}

async function prepare(config: Config, options: AppOptions) {
  const app = await buildApp(config, options)
  try {
    return { app, admin: await createFirstAdmin(app.db, config.ADMIN_EMAIL, config.ADMIN_PASSWORD) }
    /* c8 ignore next 4 -- the database went away in the moment between the two */
  } catch (error) {
    await app.close()
    throw error
  }
}
