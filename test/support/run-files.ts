import { globSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'

/** The files of each suite, as globs from the root of the repository. `rest` has the remaining files. */
const SUITES = {
  database: ['test/{db,concurrency}/**/*.test.ts'],
  http: ['test/{plugins,limits,observe,openapi,schema}/**/*.test.ts'],
  identity: ['test/identity/**/*.test.ts'],
  resource: ['test/resource/**/*.test.ts']
}
// These have commands of their own.
const APART = ['test/{clients,long,measure,suite}/**']
const FILE_TIMEOUT_MS = 300_000

const root = join(import.meta.dirname, '../..')
let running: Test | undefined

/** The test of the current file: the value of `import t from 'tap'` in it. */
export const runningFile = (): Test => running as Test

/**
 * Runs the files of a suite one after another in this process. Modules are loaded and compiled once for all of them,
 * which is most of the cost of a file: alone it takes 6 s of CPU before its first request, and 1 s here. Each file
 * stays a test with its own name, time and teardowns.
 */
export async function runSuite(name: keyof typeof SUITES | 'rest'): Promise<void> {
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

function filesOf(name: keyof typeof SUITES | 'rest'): string[] {
  const found =
    name === 'rest'
      ? globSync('{test,routes}/**/*.test.ts', { cwd: root, exclude: [...APART, ...Object.values(SUITES).flat()] })
      : globSync(SUITES[name], { cwd: root })
  return found.map((file) => relative(root, join(root, file))).sort()
}
