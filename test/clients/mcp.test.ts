import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import t from 'tap'
import { serveApp } from '../support/serve.ts'

const run = promisify(execFile)
const { origin, send, someone } = await serveApp(t, { RATE_LIMIT_ENABLED: 'false' })
const admin = await someone('admin')
const url = `${origin}/mcp`
const bin = (name: string) => join(import.meta.dirname, 'node_modules/.bin', name)

async function keyOf(...scopes: string[]): Promise<string> {
  return (await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'an agent', scopes } })).body.key
}

async function clientOf(key: string, mode: 'auto' | 'legacy'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  const requestInit = { headers: { 'x-api-key': key } }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
  t.teardown(() => client.close())
  return client
}

for (const mode of ['auto', 'legacy'] as const) {
  t.test(`the client of the protocol's makers sees and does what its key allows (${mode})`, async (t) => {
    const client = await clientOf(await keyOf('products:read'), mode)
    t.equal(client.getNegotiatedProtocolVersion(), mode === 'auto' ? '2026-07-28' : '2025-11-25')
    const { tools } = await client.listTools()
    t.same(
      tools.map(({ name }) => name),
      ['listProducts', 'aggregateProducts', 'readProduct', 'listProductsV2', 'aggregateProductsV2', 'readProductV2']
    )
    t.ok(tools.every(({ annotations }) => annotations?.readOnlyHint))
    const listed = await client.callTool({ name: 'listProducts', arguments: { query: { limit: 1 } } })
    t.match(listed.structuredContent, { page: { limit: 1 } })
    const refused = await client.callTool({ name: 'createProduct', arguments: { body: { sku: 'A', name: 'Oak' } } })
    t.match(refused, { isError: true, structuredContent: { status: 403 } })
    await t.rejects(client.callTool({ name: 'nothing', arguments: {} }), { code: -32602 })

    const whole = await clientOf(await keyOf('*'), mode)
    t.same(
      (await whole.listTools()).tools.map(({ name }) => name),
      ['search', 'describe', 'call']
    )
    const given = { name: 'createCategory', arguments: { body: { name: `Desks ${mode}` } } }
    t.match((await whole.callTool({ name: 'call', arguments: given })).structuredContent, { name: `Desks ${mode}` })
  })
}

// The other scenarios want tools, resources and prompts that only a server made for them has.
for (const scenario of ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection'])
  t.test(`conformance: ${scenario}`, async (t) => {
    const results = t.testdir()
    const { stdout } = await run(bin('conformance'), ['server', '--url', url, '--scenario', scenario, '-o', results])
    t.match(stdout, /Passed: [1-9]\d*\/\d+, 0 failed, 0 warnings/)
  })

t.test('the inspector lists the tools of a key, finds no fault in their schemas, and calls one', async (t) => {
  const key = await keyOf('categories:*')
  const inspect = async (...more: string[]) => {
    const options = ['--cli', url, '--transport', 'http', '--header', `X-API-Key: ${key}`, ...more]
    const { stdout } = await run(bin('mcp-inspector'), options, { env: { ...process.env, HOME: t.testdir() } })
    return JSON.parse(stdout)
  }
  const { tools } = await inspect('--method', 'tools/list', '--strict')
  t.ok(tools.some(({ name }: { name: string }) => name === 'createCategory'))
  const made = await inspect(
    '--method',
    'tools/call',
    '--tool-name',
    'createCategory',
    '--tool-arg',
    'body={"name":"Chairs"}'
  )
  t.match(made.structuredContent, { name: 'Chairs' })
})
