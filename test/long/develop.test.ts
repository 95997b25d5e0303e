import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { copyTree, ONCE } from '#test/support/copy-tree.ts'
import { createDatabase } from '#test/support/database.ts'

const ROUTE = `import type { FastifyPluginAsync } from 'fastify'
import { Type } from '@sinclair/typebox'
export default (async (app) => {
  app.get('', { config: { access: 'public' }, schema: { summary: 'Say hello', response: { 200: Type.Object({ hello: Type.String() }, { additionalProperties: false }) } } }, async () => ({ hello: 'world' }))
}) satisfies FastifyPluginAsync
`

t.test('npm run dev notices a new folder of a route, and that it is gone', { ...ONCE, timeout: 180_000 }, async (t) => {
  const copy = copyTree(t)
  const { scripts } = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8'))
  const { PATH } = process.env
  const env = { PATH: `${copy}/node_modules/.bin:${PATH}`, ...(await createDatabase(t)), LOG_LEVEL: 'silent' }
  const port = 20_000 + (process.pid % 20_000)
  const child = spawn('sh', ['-c', scripts.dev], { cwd: copy, env: { ...env, PORT: String(port) }, detached: true })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  t.teardown(() => process.kill(-(child.pid as number), 'SIGKILL'))
  const status = () =>
    fetch(`http://127.0.0.1:${port}/api/v1/hello`).then(
      (answer) => answer.status,
      () => 0
    )
  const comes = async (wanted: number) => {
    for (const until = Date.now() + 60_000; Date.now() < until; await sleep(100))
      if ((await status()) === wanted) return true
    return said
  }
  t.equal(await comes(404), true)
  const folder = join(copy, 'routes/api/v1/hello')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.ts'), ROUTE)
  t.equal(await comes(200), true)
  rmSync(folder, { recursive: true })
  t.equal(await comes(404), true)
})
