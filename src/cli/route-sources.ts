import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getCallSites } from 'node:util'
import type { DeclaredRoute } from '../tools/routes/list.ts'

const ROOT = join(import.meta.dirname, '../..')
// A route is some ten calls below the file that declares it.
const FRAMES = 50

/**
 * Notes the file that declares each route: called while the route is added, it looks at the calls that led there. A resource
 * is added by the engine, and its file is that of its path; of a route that a library adds the package is named.
 */
export class RouteSources {
  readonly found: [route: DeclaredRoute, source: string][] = []

  /** Called for a route while it is added. */
  note(route: DeclaredRoute & { prefix?: string }): void {
    const files = getCallSites(FRAMES).map(({ scriptName }) => pathOf(scriptName))
    const source = files.find((file) => /^(routes|plugins)\//.test(file)) ?? fileOfPrefix(route.prefix)
    this.found.push([route, source ?? packageOf(files)])
  }
}

const pathOf = (script: string) => relative(ROOT, script.startsWith('file:') ? fileURLToPath(script) : script)

function fileOfPrefix(prefix = ''): string | undefined {
  const file = `routes${prefix}/index.ts`
  return existsSync(join(ROOT, file)) ? file : undefined
}

function packageOf(files: string[]): string {
  const names = files.flatMap((file) => /(?<=node_modules\/)(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [])
  return `the package ${names.find((name) => name !== 'fastify')}`
}
