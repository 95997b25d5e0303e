import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WITHOUT_DATABASE } from '#test/support/run-files.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Import {
  from: string
  to: string
}

const files = ['src', 'plugins', 'routes'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
)

const importsOf = (from: string): Import[] =>
  [...readFileSync(join(root, from), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, target]) => ({
    from,
    to: resolve(from, target as string)
  }))

const imports = files.flatMap(importsOf)

function resolve(from: string, target: string): string {
  if (target.startsWith('#')) return target.slice(1)
  return target.startsWith('.') ? relative(root, join(root, dirname(from), target)) : `npm:${target}`
}

const broken = (isWrong: (one: Import) => boolean) => imports.filter(isWrong).map(({ from, to }) => `${from} → ${to}`)
const isIn = (path: string, ...folders: string[]) => folders.some((folder) => path.startsWith(`${folder}/`))

// Every room of src/, and the rooms below that it may import.
const ROOMS: Record<string, string[]> = {
  'errors.ts': [],
  concurrency: ['errors.ts'],
  schema: ['errors.ts'],
  db: ['concurrency', 'errors.ts'],
  outbound: ['concurrency', 'schema', 'errors.ts'],
  identity: ['jobs', 'outbound', 'db', 'concurrency', 'schema', 'errors.ts'],
  http: ['jobs', 'identity', 'db', 'concurrency', 'schema', 'errors.ts'],
  events: ['jobs', 'identity', 'db', 'concurrency', 'schema', 'errors.ts'],
  jobs: ['db', 'concurrency', 'schema', 'errors.ts'],
  mail: ['jobs', 'errors.ts'],
  webhooks: ['jobs', 'outbound', 'events', 'identity', 'db', 'schema', 'errors.ts'],
  resource: ['jobs', 'http', 'events', 'identity', 'db', 'concurrency', 'schema', 'errors.ts'],
  limits: ['concurrency', 'errors.ts'],
  observe: ['concurrency', 'db', 'errors.ts'],
  process: ['db', 'observe', 'errors.ts'],
  openapi: ['http', 'identity', 'schema', 'errors.ts'],
  mcp: ['http', 'identity', 'schema', 'errors.ts'],
  'config.ts': ['http', 'identity', 'limits', 'mail', 'db', 'schema', 'errors.ts'],
  'app.ts': ['config.ts', 'http', 'limits', 'observe', 'schema', 'errors.ts'],
  'server.ts': ['app.ts', 'config.ts', 'db', 'http', 'identity', 'observe', 'process', 'resource'],
  tools: [],
  cli: ['app.ts', 'config.ts', 'db', 'identity', 'limits', 'openapi', 'schema', 'tools'],
  'cli.ts': ['cli', 'process', 'tools']
}
const roomOf = (path: string) => path.split('/')[1] as string

t.test('plugins import src, and never each other', async (t) => {
  t.same(
    broken(({ from, to }) => isIn(from, 'plugins') && isIn(to, 'plugins', 'routes')),
    []
  )
})

t.test('a route imports src, its own folder, another resource by schema and table, and an older version', async (t) => {
  const wrong = broken(({ from, to }) => {
    if (!isIn(from, 'routes')) return false
    if (isIn(to, 'plugins')) return true
    if (!isIn(to, 'routes')) return false
    const isOwn = isIn(to, dirname(from)) || isIn(from, dirname(to))
    return !isOwn && !/\/(schema|table)\.ts$/.test(to)
  })
  t.same(wrong, [])
})

t.test('src imports only from src: the application alone knows the plugins', async (t) => {
  t.same(
    broken(({ from, to }) => isIn(from, 'src') && isIn(to, 'plugins', 'routes') && from !== 'src/app.ts'),
    []
  )
})

t.test('inside src, every room imports only the rooms below it', async (t) => {
  const unknown = files.filter((file) => isIn(file, 'src') && !ROOMS[roomOf(file)])
  t.same(unknown, [], 'every room has a row')
  const wrong = broken(({ from, to }) => {
    if (!isIn(from, 'src') || !isIn(to, 'src') || roomOf(from) === roomOf(to)) return false
    return !ROOMS[roomOf(from)]?.includes(roomOf(to))
  })
  t.same(wrong, [])
})

t.test('no file imports itself through others, types included', async (t) => {
  const targets = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]))
  const reached = (from: string) => {
    const seen = new Set<string>()
    const walk = (file: string) => {
      for (const to of targets.get(file) ?? []) {
        if (!seen.has(to)) {
          seen.add(to)
          walk(to)
        }
      }
    }
    walk(from)
    return seen
  }
  t.same(
    files.filter((file) => reached(file).has(file)),
    []
  )
})

t.test('only the application, HTTP, jobs, mail, webhooks, the resource engine and OpenAPI know Fastify', async (t) => {
  const knowing = imports.filter(({ from, to }) => isIn(from, 'src') && /^npm:(fastify|@fastify\/)/.test(to))
  const wrong = knowing
    .map(({ from }) => from)
    .filter(
      (from) => !['app.ts', 'http', 'jobs', 'mail', 'webhooks', 'resource', 'openapi', 'process'].includes(roomOf(from))
    )
  t.same(wrong, [])
})

t.test('only the server and the command line read the environment and end the process', async (t) => {
  const wrong = files.filter((file) => {
    const code = readFileSync(join(root, file), 'utf8')
    return /process\.(env|exit)\b/.test(code) && file !== 'src/server.ts' && file !== 'src/cli.ts'
  })
  t.same(wrong, [])
})

t.test('every file that declares a resource is short', async (t) => {
  const declared = files.filter(
    (file) => isIn(file, 'routes') && readFileSync(join(root, file), 'utf8').includes('export default defineResource(')
  )
  t.ok(declared.length >= 5)
  for (const file of declared) {
    const code = readFileSync(join(root, file), 'utf8')
    const lines = code.slice(code.indexOf('export default')).trim().split('\n').length
    t.ok(lines <= 25, `${file} has ${lines} lines`)
  }
})

t.test('Retry-After comes from the catalogue of errors alone', async (t) => {
  // A name in brackets, or one that is asked for, reads the header of another server's answer.
  const spelled = files.filter((file) =>
    /(?<!headers(?:\[|\.get\())'retry-after'/.test(readFileSync(join(root, file), 'utf8'))
  )
  t.same(spelled, ['src/errors.ts'])
})

t.test('the tests that are left out on PostgreSQL open no database of the suite', async (t) => {
  const left = globSync(WITHOUT_DATABASE, { cwd: root }).filter((file) => file.endsWith('.test.ts'))
  t.ok(left.length > 30)
  const opens = (file: string): boolean =>
    importsOf(file).some(
      ({ to }) => to === 'test/support/database.ts' || (isIn(to, 'test/support', 'test/fixtures') && opens(to))
    )
  t.ok(opens('test/tools/load/run.test.ts'), 'one that does')
  t.same(left.filter(opens), [])
})
