import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { ACCEPT, makeMcp } from '#test/support/mcp.ts'

const { app } = await startApp(t, { CORS_ORIGINS: 'https://app.example.com', JWT_ISSUER: 'https://api.example.com' })
const mcp = makeMcp(app)
const CLIENT = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }

async function post(payload: unknown, headers: Record<string, string> = {}) {
  return app.inject({
    method: 'POST',
    url: '/mcp',
    headers: { ...ACCEPT, 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload)
  })
}

t.test('a client of an earlier protocol begins with initialize, and has no session', async (t) => {
  const { status, headers, result } = await mcp.exchange('initialize', CLIENT)
  t.match(
    { status, result },
    {
      status: 200,
      result: { protocolVersion: '2025-11-25', serverInfo: { name: 'tenon' }, capabilities: { tools: {} } }
    }
  )
  t.match(result.instructions, /path, query, headers and body/)
  t.equal(headers['mcp-session-id'], undefined)
  t.match(headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  const told = await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  t.match(told, { statusCode: 202, payload: '' })
  t.same((await mcp.exchange('ping')).result, {})
})

// What a client of the protocol of 2026 sends with each request.
const modern = (method: string, params: object = {}) =>
  post(
    {
      jsonrpc: '2.0',
      id: 'a',
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': CLIENT.clientInfo,
          'io.modelcontextprotocol/clientCapabilities': {}
        }
      }
    },
    {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...('name' in params && { 'mcp-name': params.name as string })
    }
  )

t.test('a client of the protocol of 2026 needs no first exchange', async (t) => {
  t.match((await modern('server/discover')).json(), { result: { supportedVersions: ['2026-07-28'] } })
  t.match((await modern('tools/list')).json().result.tools.length, 9)
  const called = await modern('tools/call', { name: 'listProducts', arguments: {} })
  t.match(called.json(), { id: 'a', result: { structuredContent: { page: { limit: 50 } } } })
})

t.test('there are no streams: GET and DELETE are 405, and a subscription is refused', async (t) => {
  for (const method of ['GET', 'DELETE'] as const)
    t.match(await app.inject({ method, url: '/mcp' }), { statusCode: 405, headers: { allow: 'POST' } }, method)
  t.match((await modern('subscriptions/listen', { notifications: { toolsListChanged: true } })).json(), {
    error: { code: -32603, message: 'Subscription limit reached' }
  })
})

t.test('messages are bounded, one in a request, and well-formed', async (t) => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  t.equal((await post([ping, ping])).statusCode, 422)
  t.equal((await post({ ...ping, jsonrpc: '1.0' })).statusCode, 422)
  t.equal((await post('{')).statusCode, 400)
  t.equal((await post({ ...ping, params: { text: 'x'.repeat(1_048_576) } })).statusCode, 413)
  t.equal((await post({ ...ping, params: { list: new Array(90_000).fill(1) } })).statusCode, 422)
  t.equal((await post(ping, { 'content-type': 'text/plain' })).statusCode, 415)
  t.equal((await post(ping, { accept: 'text/html' })).statusCode, 406)
  t.match(await mcp.exchange('resources/list'), { error: { code: -32601 } })
  t.match(await mcp.exchange('tools/call', { name: 'x'.repeat(1000) }), {
    error: { message: /^There is no tool "x{200}…"/ }
  })
})

t.test('a refused credential is a 401 before any message is read', async (t) => {
  const response = await post({}, { authorization: 'Bearer tn_live_wrong' })
  t.match(response, { statusCode: 401, headers: { 'www-authenticate': /^Bearer/ } })
})

t.test('pages of unknown origins are refused: DNS rebinding', async (t) => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  const from = async (origin: string) => (await post(ping, { origin })).statusCode
  t.equal(await from('https://app.example.com'), 200, 'CORS_ORIGINS')
  t.equal(await from('https://api.example.com'), 200, 'its own')
  for (const origin of ['https://evil.example', 'http://api.example.com', 'null', 'http://localhost:3000', ''])
    t.equal(await from(origin), 403, origin)
  // The Host of such a request is the page's own, too.
  t.equal((await post(ping, { origin: 'http://evil.example:3000', host: 'evil.example:3000' })).statusCode, 403)

  const local = await startApp(t)
  const { port, origin } = new URL(await local.app.listen({ port: 0, host: '127.0.0.1' }))
  const send = async (page: string) => {
    const response = await fetch(`${origin}/mcp`, {
      method: 'POST',
      headers: { ...ACCEPT, 'content-type': 'application/json', origin: page },
      body: JSON.stringify(ping)
    })
    return response.status
  }
  t.equal(await send(`http://localhost:${port}`), 200)
  t.equal(await send(`http://127.0.0.1:${port}`), 200)
  t.equal(await send('http://localhost'), 403, 'port 80')
  t.equal(await send(`https://localhost:${port}`), 403)
  t.equal(await send(`http://evil.example:${port}`), 403)
})

t.test('MCP_ENABLED=false switches it off', async (t) => {
  const off = await startApp(t, { MCP_ENABLED: 'false' })
  t.equal((await makeMcp(off.app).exchange('ping')).status, 404)
  t.notMatch((await off.app.inject('/llms.txt')).payload, /\/mcp/)
})

t.test('/llms.txt says on one page how to use the API', async (t) => {
  const { headers, payload } = await app.inject('/llms.txt')
  t.match(headers['content-type'], 'text/plain; charset=utf-8')
  t.match(payload, /^# Tenon\n\n> A schema-first/)
  for (const part of ['## Who is asking', 'Idempotency-Key', '(/openapi.json)', '(/docs/errors)', '(/mcp)'])
    t.match(payload, part)
  t.match(
    payload,
    '- `/api/v1/products/{id}`: GET readProduct, PATCH updateProduct, PUT replaceProduct, DELETE deleteProduct'
  )
  t.ok(payload.length < 16_000, `${payload.length} characters`)
})
