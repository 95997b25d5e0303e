import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeRoutesCommand, routesCommand } from '#src/cli/routes.ts'
import type { ListedRoute } from '#src/tools/routes/list.ts'
import { tryCommand } from '#test/support/command.ts'

const root = join(import.meta.dirname, '../..')
const routes: ListedRoute[] = JSON.parse((await tryCommand(routesCommand, ['--json'])).said)
const run = (...args: string[]) =>
  tryCommand(
    makeRoutesCommand(async () => routes),
    args
  )

t.test('every route names the file that declares it', async (t) => {
  const sourceOf = (method: string, path: string) =>
    routes.find((one) => one.method === method && one.path === path)?.source
  t.equal(sourceOf('PATCH', '/api/v1/products/bulk'), 'routes/api/v1/products/index.ts')
  t.equal(sourceOf('GET', '/api/v1/auth/sessions'), 'routes/api/v1/auth/sessions.ts')
  t.equal(sourceOf('POST', '/api/v1/auth/login'), 'routes/api/v1/auth/index.ts')
  t.equal(sourceOf('GET', '/livez'), 'routes/livez.ts')
  t.equal(sourceOf('GET', '/openapi.json'), 'plugins/docs.ts')
  t.equal(sourceOf('GET', '/docs'), 'the package @scalar/fastify-api-reference')
  const files = routes.filter(({ source }) => !source.startsWith('the package'))
  t.ok(files.length > 150)
  t.same(
    files.filter(({ source }) => !existsSync(join(root, source))),
    []
  )
})

t.test('a table of the routes with a part in their path', async (t) => {
  const { isSound, said } = await run('v2/products')
  t.ok(isSound)
  t.match(said, /^method +path +access +limits +request +response +source\n/)
  t.match(said, /^GET +\/api\/v2\/products +public +- +- +200 ProductV2Page +routes\/api\/v2\/products\/index.ts$/m)
  t.match(said, /^POST +\/api\/v2\/products\/import +products:write +batch +string +200 ImportReport /m)
  t.notMatch(said, '/api/v1')
  t.match((await run()).said, /^GET +\/docs +public +- +- +- /m)
})

t.test('exit code 1 where no path has it', async (t) => {
  t.match(await run('/nowhere'), { isSound: false, complaints: ["no path has '/nowhere' in it"] })
  t.match(await run('/nowhere', '--json'), { isSound: false, said: '[]' })
})
