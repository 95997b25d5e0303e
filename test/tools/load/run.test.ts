import t, { type Test } from 'tap'
import { cpuSecondsOf } from '#src/tools/load/metrics.ts'
import { mintKey } from '#src/tools/load/mint.ts'
import { type LoadTarget, load } from '#src/tools/load/run.ts'
import { runWorkers } from '#src/tools/load/workers.ts'
import { readDocument } from '#src/tools/openapi/document.ts'
import { KEYS, notesApp } from '#test/fixtures/notes/app.ts'
import { any, create, type Handler, id, json, limit, read, start, things } from '#test/fixtures/odd-api.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'

const defaults = {
  title: 'a',
  key: undefined,
  admin: undefined,
  headers: {},
  weights: {},
  only: undefined,
  workers: 1,
  timeoutMs: 2000,
  pace: { rate: undefined, rampMs: 0, connections: 2, durationMs: 150 }
}

async function notes(t: Test): Promise<LoadTarget> {
  const app = notesApp()
  t.teardown(() => app.close())
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { ...defaults, document: await readDocument(`${address}/openapi.json`), key: KEYS.one }
}

const odd = async (t: Test, paths: object, handler: Handler): Promise<LoadTarget> => ({
  ...defaults,
  document: (await start(t, paths, handler)).document
})
const names = ({ operations }: { operations: { operation: string }[] }) =>
  operations.map(({ operation }) => operation).sort()

t.test(
  'rows are made, read, changed, listed and deleted, with rows that they refer to, and none is left',
  async (t) => {
    const target = await notes(t)
    const phases = new Set<string>()
    const report = await load({ ...target, workers: 2 }, ({ phase }) => void phases.add(phase))
    t.same(names(report), [
      'createFolder',
      'createNote',
      'deleteFolder',
      'deleteNote',
      'listFolders',
      'listNotes',
      'readFolder',
      'readNote',
      'updateNote'
    ])
    t.same([report.errors, report.leftBehind, report.leftOut, report.cpuPercent], [0, [], [], null])
    t.same([...phases], ['prepare', 'send', 'clean'])
    const headers = { 'x-key': KEYS.one }
    for (const path of ['notes', 'folders'])
      t.same(
        ((await (await fetch(`${target.document.server}/${path}`, { headers })).json()) as { data: unknown }).data,
        [],
        path
      )
  }
)

t.test('only and weights choose what is sent, and unknown names are refused', async (t) => {
  const target = await notes(t)
  t.same(names(await load({ ...target, only: ['notes'], weights: { read: 0, list: 0, update: 0, delete: 0 } })), [
    'createNote'
  ])
  t.same(names(await load({ ...target, only: ['listFolders'] })), ['listFolders'])
  t.notOk(names(await load({ ...target, weights: { notes: 0 } })).includes('createNote'))
  await t.rejects(load({ ...target, only: ['none'] }), {
    name: 'MisuseError',
    message: /no resource or operation 'none'/
  })
  await t.rejects(load({ ...target, weights: { none: 1 } }), /no resource or operation 'none'/)
  await t.rejects(
    load({ ...target, weights: { notes: 0, folders: 0, listNotes: 0, listFolders: 0 } }),
    /nothing can be sent/
  )
})

t.test('a signal ends the sending, and what was made is deleted', async (t) => {
  const stopping = new AbortController()
  const target = { ...(await notes(t)), pace: { ...defaults.pace, durationMs: 60_000 } }
  const report = await load(target, ({ phase }) => phase === 'send' && stopping.abort(), stopping.signal)
  t.ok(report.seconds < 30)
  t.same(report.leftBehind, [])
})

t.test('a document without resources: its plain GETs, of a server that tells its CPU time', async (t) => {
  let cpu = 1
  const handler: Handler = ({ path }) => {
    if (path !== '/metrics') return path === '/broken' ? [500, {}] : [204]
    cpu += 0.5
    return [200, `\nprocess_cpu_seconds_total ${cpu}\n` as never, { 'content-type': 'text/plain' }]
  }
  const target = await odd(
    t,
    { '/a': { get: { responses: any } }, '/broken': { get: { responses: any } }, '/b/{id}': { get: read } },
    handler
  )
  const report = await load(target)
  t.same(names(report), ['GET /a'])
})

t.test('what the server refuses, or cannot delete, is left out and named', async (t) => {
  const own = things()
  const paths = {
    '/things': { post: create, get: { parameters: [limit], responses: any } },
    '/things/{id}': { get: read, delete: read, patch: { ...create, parameters: [id] } },
    '/lasting': { post: create },
    '/lasting/{id}': { get: read },
    '/refused': { post: create },
    '/refused/{id}': { get: read, delete: read },
    '/texts': { post: { requestBody: { content: { 'text/plain': {} } }, responses: any } },
    '/texts/{id}': { get: read },
    '/things/{id}/parts': { post: { ...create, parameters: [id] } },
    '/things/{id}/parts/{part}': { get: { ...read, responses: { 200: json({ properties: { part: {} } }) } } }
  }
  const handler: Handler = (called) => {
    if (called.path.startsWith('/refused') || called.method === 'PATCH') return [422, {}]
    if (called.path === '/things' && called.method === 'GET') return [403, {}]
    if (called.path.startsWith('/lasting') && called.method === 'GET') return [200, { id: 1 }]
    return own(called)
  }
  const report = await load(await odd(t, paths, handler))
  t.same(names(report), ['DELETE /things/{id}', 'GET /things/{id}', 'POST /things'])
  t.match(report.leftOut.map(({ name }) => name).sort(), ['/lasting', '/refused', 'PATCH /things/{id}'])
  const lasting = await load({ ...(await odd(t, paths, handler)), only: ['/lasting'] })
  t.ok(lasting.leftBehind.length > 2)
  t.match(lasting.leftBehind[0], /^\/lasting\/\d+$/)
  const refused = { ...(await odd(t, paths, () => [422, {}])), only: ['refused'] }
  await t.rejects(load(refused), /nothing can be sent: \/refused: the server refuses what its document permits: 422 {}/)
})

t.test('a body with references that cannot be made is tried without them', async (t) => {
  const own = things()
  const field = (schema: object) => ({
    requestBody: {
      required: true,
      ...json({ type: 'object', properties: { parentId: { type: 'integer' }, name: { type: 'string' } }, ...schema })
    },
    responses: any
  })
  const paths = {
    '/parents': { post: field({ required: ['parentId'] }) },
    '/parents/{id}': { get: read, delete: read },
    '/things': { post: field({}) },
    '/things/{id}': { get: read, delete: read, patch: { ...field({}), parameters: [id] } }
  }
  const handler: Handler = (called) => (called.path.startsWith('/parents') ? [409, {}] : own(called))
  t.same(names(await load(await odd(t, paths, handler))).includes('POST /things'), true)
  let made = 0
  const few: Handler = (called) => {
    if (called.method !== 'POST' || called.path !== '/parents') return own(called)
    made += 1
    return made < 4 ? [201, { id: made }] : [409, {}]
  }
  const loose = { ...paths, '/parents': { post: field({ properties: { name: { type: 'string' } } }) } }
  t.ok(names(await load({ ...(await odd(t, loose, few)), only: ['things'] })).includes('POST /things'))
})

t.test('a change that only one row can take is not sent to all', async (t) => {
  const own = things()
  const taken = new Map<string, string>()
  const handler: Handler = (called) => {
    if (called.method !== 'PATCH') return own(called)
    // The values of a kind are not known from the document, and a name must be unique.
    const { kind, name } = called.body as { kind?: string; name?: string }
    if (kind !== undefined && kind !== 'member') return [422, {}]
    if (name !== undefined && taken.has(name) && taken.get(name) !== called.path) return [409, {}]
    if (name !== undefined) taken.set(name, called.path)
    return [200, {}]
  }
  const change = {
    type: 'object',
    properties: { kind: { type: 'string', examples: ['member'] }, name: { type: 'string', examples: ['Ada'] } }
  }
  const patch = { parameters: [id], requestBody: { required: true, ...json(change) }, responses: any }
  const paths = { '/things': { post: create }, '/things/{id}': { get: read, delete: read, patch } }
  const report = await load(await odd(t, paths, handler))
  t.same([report.errors, names(report).includes('PATCH /things/{id}')], [0, true])
})

t.test('a key of the tier without limits is made for the run and removed, by a login or by a key', async (t) => {
  const { app, someone } = await startApp(t)
  const [admin, member] = [await someone('admin'), await someone()]
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const document = await readDocument(`${address}/openapi.json`)
  const target = { ...defaults, document, only: ['items'] }
  const report = await load({ ...target, admin: `${admin.email}:${PASSWORD}` })
  t.same([report.errors, report.leftBehind], [0, []])
  t.ok(report.serverParts.some(({ name }) => name === 'total'))
  t.type(report.cpuPercent, 'number')
  const minted = await mintKey(address, admin.token)
  t.match(minted.key, /^tn_/)
  await minted.remove()
  await t.rejects(mintKey(address, member.token), {
    name: 'MisuseError',
    message: /--admin: POST .*api-keys answered 403/
  })
})

t.test('a server that is not there is misuse, and has no CPU time', async (t) => {
  const { document } = await odd(
    t,
    { '/things': { post: create }, '/things/{id}': { get: read, delete: read } },
    things()
  )
  const nowhere = { ...defaults, document: { ...document, server: 'http://127.0.0.1:1' } }
  await t.rejects(load(nowhere), { name: 'MisuseError', message: /nothing can be sent: \/things/ })
  t.equal(await cpuSecondsOf('http://127.0.0.1:1', {}), undefined)
})

t.test('a worker that fails ends the run', async (t) => {
  const plan = { server: 'nowhere', chains: [], rows: {}, pace: defaults.pace, timeoutMs: 1 }
  await t.rejects(
    runWorkers(plan, 2, () => {}),
    /Invalid URL/
  )
})
