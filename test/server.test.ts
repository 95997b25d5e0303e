import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase, isPostgres, serverUrl } from '#test/support/database.ts'
import { type ServerProcess, startServerProcess } from '#test/support/server.ts'
import { startServer } from '#test/support/wire.ts'

const admin = { email: 'root@example.com', password: 'a password of nine words' }

/** Whether no server listens on an address. */
async function isFree(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address)
  const socket = connect(Number(port), hostname)
  const outcome = await once(socket, 'connect').catch((error) => error.code)
  socket.destroy()
  return outcome === 'ECONNREFUSED'
}

/** The URL of a server that refuses every connection, with an error of PostgreSQL. */
async function refusing(t: Test, code: string, message: string): Promise<string> {
  const fields = ['SFATAL', 'VFATAL', `C${code}`, `M${message}`].map((field) => `${field}\0`).join('')
  const body = Buffer.from(`${fields}\0`)
  const head = Buffer.from('E\0\0\0\0')
  head.writeInt32BE(body.length + 4, 1)
  const { url } = await startServer(t, (socket) => socket.once('data', () => socket.end(Buffer.concat([head, body]))))
  return url
}

/** A client's connection, and all data that came back on it. */
async function dial(t: Test, address: string) {
  const { hostname, port } = new URL(address)
  const socket: Socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('error', () => {})
  socket.on('data', (text) => {
    received += text
  })
  await once(socket, 'connect')
  const closed = once(socket, 'close').then(() => received)
  async function answered(): Promise<string> {
    while (!received.includes('\r\n\r\n')) await once(socket, 'data')
    return received
  }
  return { socket, closed, answered }
}

function login(credentials: object): string {
  const body = JSON.stringify(credentials)
  return [
    'POST /api/v1/auth/login HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    `content-length: ${body.length}`,
    '',
    body
  ].join('\r\n')
}

async function startLogin(address: string, credentials: object): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const url = `${address}/api/v1/auth/login`
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(credentials) })
  await answer.body?.cancel()
  return answer.status
}

const stopped = async (server: ServerProcess) => {
  server.child.kill('SIGTERM')
  return server.ended
}

t.test('the first start prints the administrator’s password once, and it works', async (t) => {
  const env = await createDatabase(t)
  const first = startServerProcess(t, { ...env, ADMIN_EMAIL: 'Root@Example.com' })
  const address = await first.listens()
  const [, email, password] = /Administrator: (\S+) {2}password: (\S+)/.exec(first.printed()) ?? []
  t.equal(email, 'root@example.com')
  t.match(first.printed(), /^Database: (PostgreSQL at \S+|embedded, in \S+)\n/)
  t.match(first.printed(), `Tenon listens on ${address}\nDocumentation: ${address}/docs\n`)
  t.equal(await startLogin(address, { email, password }), 200)
  t.equal((await fetch(`${address}/docs/`)).status, 200)
  t.equal(await stopped(first), 0)

  const second = startServerProcess(t, { ...env })
  t.equal(await startLogin(await second.listens(), { email, password }), 200)
  t.notMatch(second.printed(), /password/)
  t.equal(await stopped(second), 0)
})

t.test('a configured password is not printed', async (t) => {
  const env = await createDatabase(t)
  const server = startServerProcess(t, { ...env, ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password })
  t.equal(await startLogin(await server.listens(), admin), 200)
  t.notMatch(server.printed() + server.complained(), admin.password)
})

t.test('a wrong setting ends the start with exit code 1 and one line', async (t) => {
  const server = startServerProcess(t, { PORT: 'canary' })
  t.equal(await server.ended, 1)
  t.equal(server.complained(), 'tenon: PORT must be a whole number from 0 to 65535\n')
  t.equal(server.printed(), '')
})

t.test('an argument that is not known ends the start with exit code 2 and one line', async (t) => {
  for (const args of [['workers'], ['--port=3000'], ['worker', 'twice'], ['']]) {
    const server = startServerProcess(t, { DATA_DIR: t.testdir() }, args)
    t.equal(await server.ended, 2)
    t.match(
      server.complained(),
      new RegExp(`^tenon: unknown argument '${args.at(-1)}': the only argument is 'worker',.*\n$`)
    )
    t.equal(server.printed(), '')
  }
})

t.test(
  'the start waits for a database that is away, says so in one line without the password, and SIGTERM is exit 0',
  async (t) => {
    const away = await startServer(t, () => {})
    await away.stop()
    const url = away.url.replace('postgres@', 'postgres:canary@')
    for (const MIGRATE_ON_START of ['true', 'false']) {
      const server = startServerProcess(t, { DATABASE_URL: url, MIGRATE_ON_START })
      await once(server.child.stderr as NodeJS.ReadableStream, 'data')
      t.match(
        server.complained(),
        /^tenon: waiting for the database at 127\.0\.0\.1:\d+\/postgres: ECONNREFUSED, connect ECONNREFUSED [^\n]*\n$/
      )
      t.equal(await stopped(server), 0)
      t.notMatch(server.complained() + server.printed(), 'canary')
    }
  }
)

t.test('a database that comes later is used then', { skip: !isPostgres && 'needs a PostgreSQL' }, async (t) => {
  const { DATABASE_URL } = await createDatabase(t)
  const away = await startServer(t, () => {})
  await away.stop()
  const url = new URL(DATABASE_URL as string)
  const target = { host: url.hostname, port: Number(url.port || 5432) }
  url.host = new URL(away.url).host
  const server = startServerProcess(t, { DATABASE_URL: url.href })
  await once(server.child.stderr as NodeJS.ReadableStream, 'data')
  await startServer(
    t,
    (socket) => void socket.pipe(connect(target).on('error', () => {})).pipe(socket),
    Number(url.port)
  )
  t.equal((await fetch(`${await server.listens()}/readyz`)).status, 200)
  t.equal(await stopped(server), 0)
})

t.test(
  'a wrong password, or a database that does not exist, ends the start with exit code 1 and one line',
  async (t) => {
    const wrong: [url: string, line: RegExp][] = [
      [await refusing(t, '28P01', 'password authentication failed'), /28P01/]
    ]
    if (serverUrl) wrong.push([new URL('/no_such_database', serverUrl).href, /3D000, database "no_such_database" does/])
    for (const [DATABASE_URL, line] of wrong) {
      const server = startServerProcess(t, { DATABASE_URL })
      t.equal(await server.ended, 1)
      t.match(server.complained(), /^tenon: the database cannot be used: [^\n]*\n$/)
      t.match(server.complained(), line)
    }
  }
)

t.test('an unexpected error ends the start with exit code 1, and with its stack', async (t) => {
  const server = startServerProcess(t, { DATA_DIR: '/dev/null/data' })
  t.equal(await server.ended, 1)
  t.match(server.complained(), /^tenon: ENOTDIR: not a directory.*\n\s+at /)
})

t.test('a taken port ends the start with exit code 1, and the reason', async (t) => {
  const env = await createDatabase(t)
  const taken = await startServer(t, () => {})
  const server = startServerProcess(t, { ...env, PORT: new URL(taken.url).port })
  t.equal(await server.ended, 1)
  t.match(server.complained(), /^tenon: listen EADDRINUSE: .*\n$/)
})

t.test('a data directory has one server: the second refuses, naming the first, until that has ended', async (t) => {
  const { DATA_DIR } = await createDatabase(t)
  const first = startServerProcess(t, { DATA_DIR })
  await first.listens()
  const second = startServerProcess(t, { DATA_DIR })
  t.equal(await second.ended, 1)
  t.match(second.complained(), new RegExp(`^tenon: .* is in use by process ${first.pid}, started \\S+\\n$`))

  first.child.kill('SIGKILL')
  t.equal(await first.ended, 'SIGKILL')
  const third = startServerProcess(t, { DATA_DIR })
  t.equal((await fetch(`${await third.listens()}/readyz`)).status, 200)
  t.equal(await stopped(third), 0)
})

t.test('SIGTERM: running requests are answered, the rest is closed, exit 0 and the port is free', async (t) => {
  const env = await createDatabase(t)
  const server = startServerProcess(t, { ...env, ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password })
  const address = await server.listens()
  const idle = await dial(t, address)
  idle.socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
  t.match(await idle.answered(), /^HTTP\/1\.1 200 /)
  const silent = await dial(t, address)
  const busy = await dial(t, address)
  const request = login(admin)
  // A request runs once it has begun to arrive; this answer shows that the request before it was read.
  busy.socket.write(`GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n${request.slice(0, -1)}`)
  await busy.answered()

  server.child.kill('SIGTERM')
  await idle.closed
  t.equal(await silent.closed, '')
  t.ok(await isFree(address))
  busy.socket.write(request.slice(-1))
  const answers = await busy.closed
  const [head, body] = answers.slice(answers.lastIndexOf('HTTP/1.1')).split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 /)
  t.match(head, /^connection: close$/im)
  t.match(body, '"accessToken"')
  t.equal(await server.ended, 0)
})

t.test('SIGTERM: a request right after it is served, and half a head does not delay the stop', async (t) => {
  const env = await createDatabase(t)
  const server = startServerProcess(t, { ...env, SHUTDOWN_GRACE_MS: '600000' })
  const address = await server.listens()
  const half = await dial(t, address)
  half.socket.write('GET /livez HTTP/1.1\r\nhost: local')
  const kept = await dial(t, address)
  kept.socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await kept.answered()

  server.child.kill('SIGTERM')
  kept.socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const answers = await kept.closed
  t.match(answers.slice(answers.lastIndexOf('HTTP/1.1')), /^HTTP\/1\.1 (200|503) /)
  t.equal(await half.closed, '')
  t.equal(await server.ended, 0)
})

t.test('a second signal ends the server at once', async (t) => {
  const env = await createDatabase(t)
  const server = startServerProcess(t, { ...env, SHUTDOWN_GRACE_MS: '600000' })
  const busy = await dial(t, await server.listens())
  busy.socket.write(`GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n${login(admin).slice(0, -1)}`)
  await busy.answered()
  // Signals of the first half second count as one.
  const signals = setInterval(() => server.child.kill('SIGINT'), 100)
  t.equal(await server.ended, 1)
  clearInterval(signals)
})

t.test('requests that exceed the grace are cut off, and the exit is still 0', async (t) => {
  const env = await createDatabase(t)
  const server = startServerProcess(t, { ...env, SHUTDOWN_GRACE_MS: '300' })
  const address = await server.listens()
  const busy = await dial(t, address)
  busy.socket.write(`GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n${login(admin).slice(0, -1)}`)
  await busy.answered()
  t.equal(await stopped(server), 0)
  t.ok(await isFree(address))
})
