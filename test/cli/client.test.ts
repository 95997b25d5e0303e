import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeClientCommand } from '#src/cli/client.ts'
import { notesApp } from '#test/fixtures/notes/app.ts'
import { tryCommand } from '#test/support/command.ts'
import { tenon } from '#test/support/tenon.ts'

const folder = t.testdir({})
const file = join(folder, 'client.ts')
const app = notesApp()
t.teardown(() => app.close())
const address = await app.listen({ port: 0, host: '127.0.0.1' })

const own = async () => (await fetch(`${address}/openapi.json`)).json()
const run = (...args: string[]) => tryCommand(makeClientCommand(own), args)

t.test('writes the client of a server, and of this code; --check tells whether it is up to date', async (t) => {
  t.match(await run(`${address}/openapi.json`, '--out', file), {
    isSound: true,
    said: `${file} is the client of Notes`
  })
  const written = readFileSync(file, 'utf8')
  t.match(written, 'export function notes(client: Client)')
  t.match(await run('--out', file), { isSound: true, said: / already\.$/ })
  t.match(await run('--out', file, '--check', '--json'), {
    isSound: true,
    said: JSON.stringify({ file, done: 'unchanged' })
  })
  writeFileSync(file, 'changed')
  t.match(await run('--out', file, '--check'), { isSound: false, said: /write it again\.$/ })
  t.equal(readFileSync(file, 'utf8'), 'changed', '--check writes nothing')
  await run('--out', file)
  t.equal(readFileSync(file, 'utf8'), written)
})

t.test('misuse', async (t) => {
  t.match((await run('--help')).said, 'tenon client --out src/tenon-client.ts --check')
  await t.rejects(run('a', 'b'), { name: 'MisuseError' })
  await t.rejects(run(join(folder, 'missing.json')), { name: 'MisuseError' })
  await t.rejects(run('--out', join(folder, 'no/such/folder.ts')), {
    name: 'MisuseError',
    message: /cannot be written/
  })
  t.match(await tenon(['client', '--nonsense']), { code: 2 })
})

t.test('the command on this code', async (t) => {
  const { code, said } = await tenon(['client', '--out', file])
  t.match(said, `${file} is the client of Tenon`)
  t.equal(code, 0)
  t.match(readFileSync(file, 'utf8'), 'export function products(client: Client)')
})
