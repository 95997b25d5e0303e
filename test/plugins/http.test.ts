import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { app } = await startApp(t)
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as { port: number }

/** Sends bytes as they are. Gives the whole answer until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

const request = (line: string, headers: string[]) => `${[line, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`

t.test('a malformed request is 400, in the one error format', async (t) => {
  const broken: [name: string, bytes: string, status: number][] = [
    ['nonsense', 'hello\r\n\r\n', 400],
    ['an unknown method', request('FROB / HTTP/1.1', ['Host: a']), 400],
    ['a broken header', 'GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n', 400],
    [
      'two lengths',
      request('POST /api/v1/auth/login HTTP/1.1', ['Host: a', 'Content-Length: 1', 'Content-Length: 2']),
      400
    ],
    [
      'a length and chunks',
      request('POST / HTTP/1.1', ['Host: a', 'Content-Length: 1', 'Transfer-Encoding: chunked']),
      400
    ],
    ['headers of 20 kB', request('GET /livez HTTP/1.1', ['Host: a', `X-Long: ${'x'.repeat(20_000)}`]), 431],
    ['no Host', request('GET /livez HTTP/1.1', []), 400],
    ['two Hosts', request('GET /livez HTTP/1.1', ['Host: a', 'Host: b']), 400],
    ['no Host and a bad token', request('GET /livez HTTP/1.1', ['Authorization: Bearer x']), 400]
  ]
  for (const [name, bytes, status] of broken) {
    const answer = await raw(bytes)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(answer, /content-type: application\/problem\+json/i, name)
    t.match(
      JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)),
      { status, success: false, instance: /^req-/ },
      name
    )
  }
})

t.test('a request with an announced body that does not come is answered, without a wait', async (t) => {
  for (const line of ['POST /api/v1/auth/login', 'POST /nothing', 'DELETE /livez']) {
    const answer = await raw(request(`${line} HTTP/1.1`, ['Host: a', 'Content-Type: application/json']))
    t.match(answer, /^HTTP\/1.1 4\d\d /, line)
  }
})

t.test('HTTP/1.0 needs no Host', async (t) => {
  t.match(await raw('GET /livez HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 /)
})

t.test('an unknown method is 405 and names the known ones', async (t) => {
  for (const method of ['TRACE', 'QUERY', 'PROPFIND', 'DELETE']) {
    const answer = await raw(request(`${method} /livez HTTP/1.1`, ['Host: a']))
    t.match(answer, /^HTTP\/1.1 405 /, method)
    t.match(answer, /allow: GET, HEAD/i, method)
  }
})

t.test('a client that leaves in the middle does not disturb others', async (t) => {
  const socket = connect(port, '127.0.0.1')
  socket.write('POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{')
  socket.resetAndDestroy()
  t.match(await raw(request('GET /livez HTTP/1.1', ['Host: a'])), /^HTTP\/1.1 200 /)
})
