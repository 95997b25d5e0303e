import t from 'tap'
import { type DeclaredRoute, isListed, operationTools } from '#src/mcp/operations.ts'
import { answerMessage, type McpExchange } from '#src/mcp/server.ts'

function toolOf(access: string, schema: object = {}, method = 'POST') {
  const route: DeclaredRoute = {
    method,
    url: '/notes/:id/print',
    config: { access },
    schema: { operationId: 'printNote', tags: ['notes'], summary: 'Print a note', response: { 200: {} }, ...schema }
  }
  const tools = operationTools([route], (one) => one.schema as object)
  return { tools, tool: tools.get('printNote') }
}

t.test('an operation that needs no scope is listed for a key with the scope of its resource', async (t) => {
  const { tool } = toolOf('authenticated')
  const sees = (...scopes: string[]) => isListed(tool as never, { scopes: new Set(scopes) })
  t.equal(sees('notes:write'), true)
  t.equal(sees('notes:read'), false)
  t.equal(isListed(tool as never, { scopes: new Set(), isFull: true }), true)
  t.equal(isListed(tool as never, null), false)
})

t.test('a description is of sentences, and says that an operation is deprecated', async (t) => {
  t.equal(toolOf('public').tool?.description, 'Print a note.')
  const schema = { deprecated: true, description: 'On paper.' }
  t.equal(toolOf('public', schema).tool?.description, 'Print a note. Deprecated. On paper.')
})

t.test('a schema with several types has a branch for each, and fields may have names of keywords', async (t) => {
  const body = {
    $id: 'Note',
    type: 'object',
    required: ['$id'],
    properties: {
      $id: { type: ['string', 'null'], maxLength: 5, description: 'A text.' },
      'x-any-shape': { 'x-personal': true, type: 'boolean' }
    }
  }
  t.same(toolOf('public', { body }).tool?.inputSchema.properties.body, {
    type: 'object',
    required: ['$id'],
    properties: {
      $id: { description: 'A text.', anyOf: [{ type: 'string', maxLength: 5 }, { type: 'null' }] },
      'x-any-shape': { type: 'boolean' }
    }
  })
})

t.test('an operation that answers with a stream or takes one is no tool', async (t) => {
  const content = (type: string) => ({ response: { 200: { content: { [type]: {} } } } })
  t.equal(toolOf('public', content('application/json')).tools.size, 1)
  t.equal(toolOf('public', content('text/event-stream')).tools.size, 0)
  t.equal(toolOf('public', { consumes: ['application/x-ndjson'] }).tools.size, 0)
  t.equal(toolOf('public', { consumes: ['application/json', 'application/merge-patch+json'] }).tools.size, 1)
})

t.test('an error of ours is told to the log, and to the client without a word of the inside', async (t) => {
  const failures: unknown[] = []
  const { tools } = toolOf('public', { params: { type: 'object', properties: { id: { type: 'string' } } } })
  const exchange: McpExchange = {
    url: 'http://127.0.0.1/mcp',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', odd: ['a', 'b'] },
    message: {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'printNote', arguments: { path: { id: 7 } } }
    },
    requestId: 'req-1',
    caller: null,
    tools,
    send: async ({ url }) => {
      throw new TypeError(`canary ${url}`)
    },
    log: { error: (details) => failures.push(details) }
  }
  const text = await (await answerMessage({ name: 'test', version: '1' }, exchange)).text()
  t.match(JSON.parse(text), { result: { isError: true, structuredContent: { error: { code: 'INTERNAL' } } } })
  t.notMatch(text, /canary/)
  t.match(failures, [{ err: { message: 'canary /notes/7/print' } }])
})
