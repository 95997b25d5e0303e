import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { copyTree, ONCE } from '#test/support/copy-tree.ts'
import { createDatabase } from '#test/support/database.ts'

const run = promisify(execFile)
const ROUTES = join(import.meta.dirname, '../../routes/api')
const EXAMPLES = ['v1/items', 'v1/orders', 'v2/products', 'v1/products', 'v1/categories']
// Those of the engine that are made from fixtures alone: all types of columns, and jobs.
const ENGINE = ['test/resource/types.test.ts', 'test/jobs/jobs.test.ts']

/** The folders of resources that import a resource, and so are deleted with it. */
function withImporters(name: string, found = new Set([name])): Set<string> {
  for (const file of globSync('v*/*/*.ts', { cwd: ROUTES })) {
    const folder = dirname(file)
    const text = readFileSync(join(ROUTES, file), 'utf8')
    const imported = [...text.matchAll(/from '(\.\.?\/[^']+|#routes\/api\/[^']+)'/g)].map(([, path = '']) =>
      path.startsWith('#') ? dirname(path.slice('#routes/api/'.length)) : join(folder, dirname(path))
    )
    if (!found.has(folder) && imported.includes(name)) withImporters(folder, found.add(folder))
  }
  return found
}

// The shell takes away the loader of the test runner.
const shell = (cwd: string, command: string, env: NodeJS.ProcessEnv = {}) =>
  run('sh', ['-c', `NODE_OPTIONS= exec ${command}`], { cwd, env: { ...process.env, ...env }, maxBuffer: 1e8 }).then(
    () => '',
    ({ stdout, stderr }) => `${stdout}${stderr}`.slice(-3000) || 'failed'
  )

/** Starts the server of a copy, and gives the paths of its document. */
async function start(t: Test, cwd: string): Promise<string[]> {
  const { PATH } = process.env
  const env = {
    PATH,
    ...(await createDatabase(t)),
    PORT: '0',
    LOG_LEVEL: 'silent',
    ADMIN_PASSWORD: 'a password of nine words'
  }
  const child = spawn(process.execPath, ['src/server.ts'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  const ended = once(child, 'exit')
  let address: string | undefined
  while (address === undefined && child.exitCode === null) {
    await Promise.race([once(child.stdout, 'data'), ended])
    address = /listens on (\S+)/.exec(said)?.[1]
  }
  if (address === undefined) throw new Error(said)
  t.equal((await fetch(`${address}/readyz`)).status, 200)
  const { paths } = (await (await fetch(`${address}/openapi.json`)).json()) as { paths: object }
  child.kill('SIGTERM')
  t.same((await ended)[0], 0)
  return Object.keys(paths)
}

for (const name of EXAMPLES)
  t.test(`without ${name} all compiles, is clean and starts`, { ...ONCE, timeout: 180_000 }, async (t) => {
    const copy = copyTree(t)
    const gone = withImporters(name)
    for (const folder of gone) rmSync(join(copy, 'routes/api', folder), { recursive: true })
    const compilerOptions = { incremental: false, tsBuildInfoFile: null }
    const include = ['src', 'plugins', 'routes']
    writeFileSync(join(copy, 'product.json'), JSON.stringify({ extends: './tsconfig.json', compilerOptions, include }))
    const bin = 'node_modules/.bin'
    t.equal(await shell(copy, `${bin}/tsc -p product.json`), '')
    t.equal(await shell(copy, `${bin}/biome check --error-on-warnings src plugins routes`), '')
    const paths = await start(t, copy)
    for (const folder of gone)
      t.notOk(
        paths.some((path) => path.startsWith(`/api/${folder}`)),
        `/api/${folder}`
      )
    for (const other of EXAMPLES.filter((one) => !gone.has(one))) t.ok(paths.includes(`/api/${other}`), `/api/${other}`)
    if (name !== EXAMPLES.at(-1)) return
    t.equal(gone.size, 4, 'all but one are gone')
    for (const file of ENGINE) t.equal(await shell(copy, `node ${file}`), '', file)
  })
