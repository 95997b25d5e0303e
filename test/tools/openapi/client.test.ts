import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Client } from '#src/tools/openapi/client.ts'

const get = { method: 'GET', target: '/a?b=1', headers: { 'x-a': '1' }, body: undefined }

async function start(t: Test, listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`)
  t.teardown(() => {
    client.close()
    server.closeAllConnections()
    server.close()
  })
  return client
}

t.test('sends below the path of the server, and reads JSON and text', async (t) => {
  const client = await start(t, (request, response) => {
    const isJson = request.method === 'POST'
    response.setHeader('content-type', isJson ? 'application/problem+json' : 'text/plain')
    request.on('data', () => {})
    request.on('end', () => response.end(isJson ? '{"a":1}' : `${request.url} ${request.headers['x-a']}`))
  })
  t.match(await client.send(get), { answer: { status: 200, text: '/base/a?b=1 1', json: undefined } })
  t.match(await client.send({ ...get, method: 'POST', body: 'é' }), { answer: { json: { a: 1 } } })
  t.equal(client.sent, 2)
})

t.test('JSON that is none is an answer without JSON', async (t) => {
  const client = await start(t, (_request, response) => response.setHeader('content-type', 'application/json').end('{'))
  t.match(await client.send(get), { answer: { text: '{', json: undefined } })
})

t.test('waits as long as a refusal asks, and sends again', async (t) => {
  const waits: (string | undefined)[] = ['0', new Date(Date.now() - 1000).toUTCString(), '0']
  let at = 0
  const client = await start(t, (_request, response) => {
    const asked = waits[at++]
    if (asked === undefined) return response.end('done')
    return response.writeHead(at === 3 ? 503 : 429, { 'retry-after': asked }).end()
  })
  t.match(await client.send(get), { answer: { status: 200, text: 'done' } })
  t.equal(client.postponed, 3)
})

t.test('gives the refusal back where it asks for too long, or for too often', async (t) => {
  const client = await start(t, (request, response) => {
    const asked = request.url?.endsWith('long') ? '3600' : '0'
    response.writeHead(429, { 'retry-after': asked }).end()
  })
  t.match(await client.send({ ...get, target: '/long' }), { answer: { status: 429 } })
  t.equal(client.sent, 1)
  t.match(await client.send(get), { answer: { status: 429 } })
  t.equal(client.sent, 22)
  const silent = await start(t, (_request, response) => response.writeHead(503).end())
  t.match(await silent.send(get), { answer: { status: 503 } }, 'a 503 without Retry-After is an answer')
})

t.test('waits a second after a 429 that does not say how long, or says it in no known way', async (t) => {
  let at = 0
  const client = await start(t, (_request, response) => {
    at += 1
    response.writeHead(at > 2 ? 200 : 429, at === 1 ? { 'retry-after': 'soon' } : {}).end()
  })
  const before = performance.now()
  t.match(await client.send(get), { answer: { status: 200 } })
  t.ok(performance.now() - before >= 1_990)
})

t.test('a kept connection that was closed is no failure; no connection, and half an answer, are', async (t) => {
  let at = 0
  const client = await start(t, (request, response) => {
    at += 1
    if (at === 2) return request.socket.destroy()
    if (at < 4) return response.end('done')
    response.writeHead(200, { 'content-length': '9' }).write('half')
    return setImmediate(() => request.socket.destroy())
  })
  await client.send(get)
  t.match(await client.send(get), { answer: { text: 'done' } })
  t.match(await client.send(get), { answer: undefined, failure: /the answer broke off/ })
  const nowhere = new Client('http://[::1]:1')
  t.match(await nowhere.send(get), { answer: undefined, failure: /./ })
  nowhere.close()
  const secure = new Client('https://127.0.0.1:1')
  t.match(await secure.send(get), { answer: undefined, failure: /./ })
  secure.close()
})

t.test('a server that stays silent is given up', async (t) => {
  const client = await start(t, () => {})
  t.match(await client.send(get, 30), { answer: undefined, failure: 'no answer within 0.03 s' })
})
