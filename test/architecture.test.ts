import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'

const root = new URL('..', import.meta.url).pathname

interface Import {
  from: string
  to: string
}

const files = ['src', 'plugins', 'routes'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
)

const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(join(root, from), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, target]) => ({
    from,
    to: resolve(from, target as string)
  }))
)

function resolve(from: string, target: string): string {
  if (target.startsWith('#')) return target.slice(1)
  return target.startsWith('.') ? relative(root, join(root, dirname(from), target)) : `npm:${target}`
}

const broken = (isWrong: (one: Import) => boolean) => imports.filter(isWrong).map(({ from, to }) => `${from} → ${to}`)
// These import nothing of ours.
const BOTTOM = ['src/errors.ts', 'src/bounded.ts', 'src/long-bodies.ts']
const isIn = (path: string, ...folders: string[]) => folders.some((folder) => path.startsWith(`${folder}/`))

t.test('plugins import src, and never each other', async (t) => {
  t.same(
    broken(({ from, to }) => isIn(from, 'plugins') && isIn(to, 'plugins', 'routes')),
    []
  )
})

t.test(
  'routes import src, their own folder, the schema of another resource, and a newer version the older',
  async (t) => {
    const wrong = broken(({ from, to }) => {
      if (!isIn(from, 'routes')) return false
      if (isIn(to, 'plugins')) return true
      if (!isIn(to, 'routes')) return false
      const isOwn = isIn(to, dirname(from)) || isIn(from, dirname(to))
      return !isOwn && !to.endsWith('/schema.ts')
    })
    t.same(wrong, [])
  }
)

t.test('src imports nothing that is above it: only the application knows the plugins', async (t) => {
  t.same(
    broken(({ from, to }) => isIn(from, 'src') && isIn(to, 'plugins', 'routes') && from !== 'src/app.ts'),
    []
  )
})

t.test('inside src, dependencies point one way', async (t) => {
  const below: Record<string, string[]> = {
    'src/schema': [],
    'src/db': ['src/schema'],
    'src/identity': ['src/db', 'src/schema'],
    'src/openapi': ['src/schema', 'src/identity'],
    'src/resource': ['src/db', 'src/schema', 'src/identity']
  }
  const wrong = broken(({ from, to }) => {
    const room = Object.keys(below).find((folder) => isIn(from, folder))
    if (!room || !isIn(to, 'src') || BOTTOM.includes(to)) return false
    return !isIn(to, room, ...(below[room] as string[]))
  })
  t.same(wrong, [])
})

t.test('only the application, the server and the resource engine know Fastify', async (t) => {
  const knowing = imports.filter(({ from, to }) => isIn(from, 'src') && /^npm:(fastify|@fastify\/)/.test(to))
  const wrong = knowing
    .map(({ from }) => from)
    .filter(
      (from) =>
        !isIn(from, 'src/resource', 'src/openapi') && !['src/app.ts', 'src/server.ts', 'src/shutdown.ts'].includes(from)
    )
  t.same(wrong, [])
})

t.test('only the server reads the environment and ends the process', async (t) => {
  const wrong = files.filter((file) => {
    const code = readFileSync(join(root, file), 'utf8')
    return /process\.(env|exit)\b/.test(code) && file !== 'src/server.ts'
  })
  t.same(wrong, [])
})

t.test('every file that declares a resource is short', async (t) => {
  const declared = files.filter((file) =>
    readFileSync(join(root, file), 'utf8').includes('export default defineResource(')
  )
  t.ok(declared.length >= 5)
  for (const file of declared) {
    const code = readFileSync(join(root, file), 'utf8')
    const lines = code.slice(code.indexOf('export default')).trim().split('\n').length
    t.ok(lines <= 25, `${file} has ${lines} lines`)
  }
})
