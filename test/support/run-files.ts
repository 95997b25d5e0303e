import { globSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'
import { isPostgres } from './database.ts'

/**
 * The files of each suite, as globs from the root of the repository. `rest` has the remaining files. Suites run beside each
 * other, so none should be much longer than the others.
 */
const SUITES = {
  database: ['test/{db,concurrency}/**/*.test.ts'],
  http: ['test/{plugins,limits,observe,openapi,schema}/**/*.test.ts'],
  identity: ['test/identity/**/*.test.ts'],
  resource: ['test/resource/**/*.test.ts'],
  tools: ['test/{cli,tools,mcp}/**/*.test.ts'],
  work: ['test/{events,jobs,mail,outbound,webhooks}/**/*.test.ts']
}
/** What uses the pool beside the database's own tests: CI runs them once more with one connection. */
const POOL = ['test/routes/*.test.ts', 'test/resource/{bulk,conditional,guard,idempotency}*.test.ts']
// These open no database, or always the embedded one (test/architecture.test.ts): on PostgreSQL they say nothing new.
export const WITHOUT_DATABASE = [
  'test/{http,limits,schema}/**',
  'test/tools/{client,fuzz,openapi,routes,seed,values}/**',
  'test/cli/{client,fuzz,load,new-resource,openapi}.test.ts'
]
// These have commands of their own.
const APART = ['test/{clients,long,measure,suite}/**']
const FILE_TIMEOUT_MS = 300_000

type Suite = keyof typeof SUITES | 'rest' | 'pool'

const root = join(import.meta.dirname, '../..')
let running: Test | undefined

/** The test of the current file: the value of `import t from 'tap'` in it. */
export const runningFile = (): Test => running as Test

/**
 * Runs the files of a suite one after another in this process. Modules are loaded and compiled once for all of them,
 * which is most of the cost of a file: alone it takes 6 s of CPU before its first request, and 1 s here. Each file
 * stays a test with its own name, time and teardowns.
 */
export async function runSuite(name: Suite): Promise<void> {
  const files = filesOf(name)
  const urls = new Set(files.map(urlOf))
  const shared = new URL('running-file.ts', import.meta.url)
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== 'tap' || !urls.has(context.parentURL ?? '')) return next(specifier, context)
      // A URL of its own for each file, so that the module is evaluated for each.
      return { url: `${shared}?${encodeURIComponent(context.parentURL as string)}`, shortCircuit: true }
    }
  })
  for (const file of files) {
    await tap.test(file, { timeout: FILE_TIMEOUT_MS }, async (t) => {
      running = t
      await import(urlOf(file))
    })
  }
  hooks.deregister()
}

const urlOf = (file: string) => pathToFileURL(join(root, file)).href

function filesOf(name: Suite): string[] {
  const leftOut = isPostgres ? WITHOUT_DATABASE : []
  const [patterns, exclude] =
    name === 'rest'
      ? ['{test,routes}/**/*.test.ts', [...APART, ...Object.values(SUITES).flat(), ...leftOut]]
      : [name === 'pool' ? POOL : SUITES[name], leftOut]
  const found = globSync(patterns, { cwd: root, exclude })
  return found.map((file) => relative(root, join(root, file))).sort()
}
