import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { makeSend, makeUser, testConfig } from '#test/support/app.ts'
import { createDatabase } from '#test/support/database.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(`${root}docs/resources.md`, 'utf8')
const blocks = [...page.matchAll(/^```(\w+) (\w+)\n([\s\S]*?)^```$/gm)] as unknown as [string, string, string, string][]
const textOf = (kind: string, name: string) => blocks.find((block) => block[1] === kind && block[2] === name)?.[3]
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const sections = [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name as string)

t.test('the page has a section with an example and a request for every option', async (t) => {
  const source = readFileSync(`${root}src/resource/declaration.ts`, 'utf8')
  const body = /^export interface Declaration<[\s\S]*?^}$/m.exec(source)?.[0] as string
  const options = [...body.matchAll(/^ {2}(\w+)\??: /gm)].map(([, name]) => name as string)
  t.ok(options.length > 20)
  t.same(sections.toSorted(), options.toSorted())
  for (const name of sections) t.ok(textOf('ts', name) && textOf('http', name), name)
})

t.test('every example passes the type check, starts, and answers as the page says', async (t) => {
  const imports = textOf('ts', 'imports')
  const files = sections.map((name) => [
    name,
    {
      'livez.ts': `export { default } from '${root}routes/livez.ts'`,
      api: {
        v1: {
          auth: { 'index.ts': `export { default } from '${root}routes/api/v1/auth/index.ts'` },
          [kebab(name)]: { 'index.ts': `${imports}${textOf('ts', name)}` }
        }
      }
    }
  ])
  const folder = t.testdir({
    'tsconfig.json': JSON.stringify({
      extends: `${root}tsconfig.json`,
      compilerOptions: { noUnusedLocals: false, incremental: false, tsBuildInfoFile: null },
      files: sections.map((name) => `${name}/api/v1/${kebab(name)}/index.ts`)
    }),
    ...Object.fromEntries(files)
  })
  // The shell takes away the loader of the test runner: the compiler cannot be loaded through it.
  const compiler = 'NODE_OPTIONS= exec "$1/node_modules/.bin/tsc" -p "$0"'
  await run('sh', ['-c', compiler, folder, root]).catch(({ stdout, stderr }) => t.fail(stdout + stderr))

  const database = await createDatabase(t)
  for (const name of sections) {
    const app = await buildApp(testConfig(database, { MIGRATE_ON_START: 'true' }), { routes: `${folder}/${name}` })
    const { token } = await makeUser(app, 'admin')
    const send = makeSend(t, app)
    let id = ''
    for (const line of (textOf('http', name) as string).trim().split('\n')) {
      const [, method, path, json, status] = /^(\w+) (\S+)(?: (.*))? → (\d+)$/.exec(line) as unknown as string[]
      const answer = await send(method as string, (path as string).replace('{id}', id), {
        as: token,
        ...(json && { body: JSON.parse(json) })
      })
      t.equal(answer.status, Number(status), `${line}\n${answer.text}`)
      id = answer.body?.id ?? id
    }
    await app.db.execute(sql`truncate categories, products, items cascade`)
    await app.close()
  }
})
