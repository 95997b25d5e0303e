import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { withDatabase } from '#src/cli/open.ts'
import { program } from '#src/cli/program.ts'
import { RunningServer } from '#src/cli/running-server.ts'
import { tableOf } from '#src/cli/table.ts'
import { createFirstAdmin } from '#src/identity/users.ts'
import { makeSend, testConfig } from '#test/support/app.ts'
import { tryCommand } from '#test/support/command.ts'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { freePort } from '#test/support/serve.ts'

const ROOT = 'root@example.com'
const database = await createDatabase(t)
const env = { ...database, NODE_ENV: 'test', ADMIN_EMAIL: ROOT }
const run = (...args: string[]) => tryCommand(program, args, env)
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).said)
await withDatabase(env, ({ db }) => createFirstAdmin(db, ROOT, 'the first password'))

t.test('a user is made with a password that logs in, is listed, and disabled', async (t) => {
  const ada = await json('users', 'create', ' Ada@Example.com'.trim(), '--name', 'Ada Lovelace')
  t.match(ada, { email: 'ada@example.com', name: 'Ada Lovelace', role: 'member', active: true })
  t.match(
    (await run('users', 'create', 'ops@example.com', '--role', 'admin')).said,
    /^ops@example.com \(admin\) {2}password: \S{20} /
  )
  t.match(await run('users', 'create', 'ADA@example.com'), { isSound: false, complaints: [/already/] })
  t.match(
    (await json('users', 'list')).map((one: { email: string }) => one.email),
    ['ada@example.com', 'ops@example.com', ROOT]
  )
  t.match((await run('users', 'list')).said, /^e-mail +name +role.*\nada@example.com +Ada Lovelace +member +yes/)

  const app = await buildApp(testConfig(database))
  const send = makeSend(t, app)
  const logIn = () => send('POST', '/api/v1/auth/login', { body: { email: ada.email, password: ada.password } })
  t.equal((await logIn()).status, 200)
  await app.close()
  t.match(await run('users', 'disable', ada.email), { isSound: true, said: /is disabled/ })
  const later = await buildApp(testConfig(database))
  t.teardown(() => later.close())
  const refused = await makeSend(t, later)('POST', '/api/v1/auth/login', {
    body: { email: ada.email, password: ada.password }
  })
  t.equal(refused.status, 401)
})

t.test('users: what is refused', async (t) => {
  await t.rejects(run('users', 'create', 'not an address'), { name: 'MisuseError' })
  await t.rejects(run('users', 'create', 'a@example.com', '--role', 'king'), { message: "there is no role 'king'" })
  await t.rejects(run('users', 'create', 'a@external.invalid'), { name: 'ApiError' })
  t.match(await run('users', 'disable', 'nobody@example.com'), { isSound: false, complaints: [/no user/] })
  t.match(await run('users', 'disable', 'ops@example.com'), { isSound: true })
  t.match(await run('users', 'disable', ROOT), {
    isSound: false,
    complaints: ['the last active administrator stays one']
  })
})

t.test('a key is made, listed, rotated and revoked, and works until then', async (t) => {
  const made = await json(
    'keys',
    'create',
    'importer',
    '--scopes',
    'items:read,items:read',
    '--expires',
    '90d',
    '--cidr',
    '127.0.0.1',
    '--tier',
    'high'
  )
  t.match(made, { key: /^tn_test_/, user: ROOT, scopes: ['items:read'] })
  const days = (Date.parse(made.expiresAt) - Date.now()) / 86_400_000
  t.ok(days > 89 && days < 91)
  const plain = await tryCommand(program, ['keys', 'create', 'plain', '--scopes', '*'], { ...env, NODE_ENV: '' })
  t.match(plain.said, /^tn_live_\S+\n\(shown once; id /)
  t.equal(await statusOf(made.key), 200)

  const [listed] = await json('keys', 'list', '--user', 'Root@example.com')
  t.match(listed, { id: made.id, name: 'importer', tier: 'high' })
  t.notMatch(JSON.stringify(listed), made.key.slice(-40))
  t.match((await run('keys', 'list')).said, /^key +name.*\ntn_test_\S+ +importer +root@example.com +items:read +yes/)
  t.same(await json('keys', 'list', '--user', 'nobody@example.com'), [])

  const rotated = await json('keys', 'rotate', listed.prefix, '--overlap', '0s')
  t.not(rotated.key, made.key)
  t.equal(await statusOf(made.key), 401)
  t.equal(await statusOf(rotated.key), 200)
  t.match((await run('keys', 'rotate', made.id)).said, /^tn_test_/)
  t.match(await run('keys', 'rotate', 'tn_live_none'), { isSound: false, complaints: [/no such key/] })

  t.match(await run('keys', 'revoke', rotated.key), { isSound: true, said: /\(importer\) is revoked/ })
  t.equal(await statusOf(rotated.key), 401)
  t.match(await run('keys', 'revoke', made.id), { isSound: false, complaints: [/no such key/] })
})

t.test('keys: what the API would refuse is refused', async (t) => {
  const create = (...args: string[]) => run('keys', 'create', ...args)
  await t.rejects(create('x', '--scopes', 'rockets:launch'), { message: /^'rockets:launch' is no scope: there are / })
  await t.rejects(create(' ', '--scopes', '*'), { name: 'MisuseError', message: /1 to 200/ })
  await t.rejects(create('x', '--scopes', '*', '--cidr', '1.2.3.4/99'), { message: /no network/ })
  await t.rejects(create('x', '--scopes', '*', '--tier', 'warp'), { message: /^'warp' is no tier: there are standard/ })
  await t.rejects(create('x', '--scopes', '*', '--expires', 'soon'), { message: /^--expires is a time/ })
  await t.rejects(create('x', '--scopes', '*', '--user', 'ada@example.com'), { message: /no active user/ })
  await run('users', 'create', 'bob@example.com')
  await t.rejects(create('x', '--scopes', 'users:write', '--user', 'bob@example.com'), {
    message: 'the role member of bob@example.com does not have the scope users:write'
  })
  await t.rejects(create('x'), { name: 'MisuseError', message: /--scopes/ })
})

t.test(
  'beside a server that has the embedded database open, commands ask that server, or say what to do',
  { skip: isPostgres && 'is for the embedded one' },
  async (t) => {
    const admin = await json('keys', 'create', 'operator', '--scopes', '*')
    const weak = await json('keys', 'create', 'reader', '--scopes', 'items:read')
    const app = await buildApp(testConfig(database, { HOST: '127.0.0.1' }))
    t.teardown(() => app.close())
    for (const args of [
      ['keys', 'list'],
      ['keys', 'create', 'x', '--scopes', '*'],
      ['users', 'password', ROOT]
    ])
      await t.rejects(run(...args), {
        name: 'DirectoryInUseError',
        message:
          /in use by process \d+, .*ask it through its API: with the key of an administrator in TENON_KEY, or as --key/
      })
    const { port } = new URL(await app.listen({ port: 0 }))
    const asked = { ...env, TENON_KEY: admin.key, PORT: port }
    const ask = (...args: string[]) => tryCommand(program, args, asked)
    const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).said)

    const eve = await askJson('users', 'create', 'eve@example.com', '--name', 'Eve')
    t.match(eve, { email: 'eve@example.com', name: 'Eve', role: 'member', active: true, password: /^\S{20}$/ })
    const logIn = async (password: string) =>
      (await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: eve.email, password } }))
        .statusCode
    t.equal(await logIn(eve.password), 200)
    const { said } = await ask('users', 'password', ' Eve@example.com ')
    t.equal(await logIn(/^password: (\S+)/.exec(said)?.[1] as string), 200)
    t.match(await ask('users', 'disable', 'eve@example.com'), { isSound: true, said: /is disabled/ })
    for (const verb of ['password', 'disable'])
      t.match(await ask('users', verb, 'nobody@example.com'), { isSound: false, complaints: [/no user/] })
    const users = await askJson('users', 'list')
    t.same(Object.keys(users[0]), ['id', 'email', 'name', 'role', 'active', 'createdAt'])
    t.match(
      users.find(({ email }: { email: string }) => email === eve.email),
      { active: false }
    )
    await t.rejects(ask('users', 'create', 'eve@example.com'), {
      name: 'RunningServerError',
      message: /refused with 4\d\d: .*email/
    })
    await t.rejects(ask('users', 'disable', ROOT), { message: /409: The last active administrator stays one/ })

    const made = await askJson('keys', 'create', 'through', '--scopes', 'items:read', '--expires', '2d')
    t.match(made, { key: /^tn_test_/, user: 'the user of the key that asked', scopes: ['items:read'] })
    const listed = await askJson('keys', 'list')
    t.match(
      listed.find(({ id }: { id: string }) => id === made.id),
      { name: 'through', user: null, enabled: true }
    )
    t.match((await ask('keys', 'rotate', made.id, '--overlap', '0s')).said, /^tn_test_/)
    t.match(await ask('keys', 'revoke', made.key), { isSound: true, said: /\(through\) is revoked/ })
    for (const verb of ['rotate', 'revoke'])
      t.match(await ask('keys', verb, made.id), { isSound: false, complaints: [/no such key/] })
    await t.rejects(ask('keys', 'list', '--user', ROOT), { name: 'MisuseError', message: /leave out --user$/ })
    await t.rejects(ask('keys', 'create', 'x', '--scopes', '*', '--user', ROOT), { name: 'MisuseError' })
    await t.rejects(ask('users', 'list', '--key', weak.key), {
      message: /refused with 403: This needs the scope users:read/
    })
    await t.rejects(ask('users', 'list', '--url', `http://127.0.0.1:${await freePort()}`), {
      name: 'RunningServerError',
      message: /^http:\/\/127.0.0.1:\d+ does not answer \(--url names another\): ECONNREFUSED$/
    })
    // A port that fetch refuses by itself.
    await t.rejects(ask('users', 'list', '--url', 'http://127.0.0.1:1'), { message: /: fetch failed$/ })
    await t.rejects(tryCommand(program, ['users', 'list'], { ...asked, HOST: '::1' }), {
      message: /^http:\/\/\[::1\]:/
    })
    t.ok((await tryCommand(program, ['users', 'list'], { ...asked, HOST: '0.0.0.0' })).isSound)
  }
)

t.test('a running server: lists of several pages, and answers that are no JSON', async (t) => {
  const pages = [
    { data: [1, 2], page: { next: 'a b' } },
    { data: [3], page: { next: null } }
  ]
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.url)
    if (request.url?.startsWith('/api/v1/broken')) return void response.writeHead(502).end('<h1>Bad gateway</h1>')
    response.end(JSON.stringify(pages[seen.length - 1]))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const running = new RunningServer(`http://127.0.0.1:${port}/`, 'key')
  t.same(await running.list('/things', { sort: 'a' }), [1, 2, 3])
  t.same(seen, ['/api/v1/things?sort=a&limit=200', '/api/v1/things?sort=a&limit=200&cursor=a+b'])
  await t.rejects(running.send('GET', '/broken'), { message: /refused with 502: <h1>Bad gateway/ })
})

/** The status of a request with a key, by an application of its own. */
async function statusOf(key: string): Promise<number> {
  const app = await buildApp(testConfig(database))
  const { statusCode } = await app.inject({ url: '/api/v1/items', headers: { 'x-api-key': key } })
  await app.close()
  return statusCode
}

t.test('a table shows lists, gaps and yes or no', (t) => {
  t.equal(
    tableOf(
      ['a', 'long name'],
      [
        [null, ['x', 'y']],
        [false, []],
        ['text', true]
      ]
    ),
    'a     long name\n-     x y\nno    -\ntext  yes'
  )
  t.end()
})
