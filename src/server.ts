import { pino } from 'pino'
import { buildApp } from './app.ts'
import { ConfigError, loadConfig } from './config.ts'
import { findPgError } from './db/errors.ts'
import { DirectoryInUseError } from './db/lock.ts'
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
  const cause = findPgError(error)
  // drizzle's message carries the statement with its values; PostgreSQL's and the socket's say what to mend. The
  // socket's is empty where a name has several addresses.
  if (cause) return `the database cannot be used: ${[cause.code, cause.message].filter(Boolean).join(', ')}`
  const { message, stack } = describeForLog(error)
  return `${message}\n${stack}`
}

async function start(): Promise<void> {
  const config = loadConfig(process.env)
  // Nothing waits for a reader of the log who is slow: beyond 16 MiB lines are dropped.
  const log = pino.destination({ sync: false, maxLength: 16_777_216 })
  const app = await buildApp(config, { log })
  shutDownOn(['SIGTERM', 'SIGINT'], app, config.SHUTDOWN_GRACE_MS, (code) => process.exit(code))
  const admin = await createFirstAdmin(app.db, config.ADMIN_EMAIL, config.ADMIN_PASSWORD)
  const address = await app.listen({ host: config.HOST, port: config.PORT })
  const say = (line: string) => process.stdout.write(`${line}\n`)
  if (admin?.isGenerated) say(`First start. Administrator: ${admin.email}  password: ${admin.password}  (shown once)`)
  say(`Tenon listens on ${address}`)
  say(`Documentation: ${address}/docs`)
}
