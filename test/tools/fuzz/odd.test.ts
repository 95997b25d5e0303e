import t from 'tap'
import type { FaultKind } from '#src/tools/fuzz/finding.ts'
import { type FuzzOptions, fuzz, replay } from '#src/tools/fuzz/run.ts'
import type { Target } from '#src/tools/fuzz/session.ts'
import type { Json } from '#src/tools/openapi/schema.ts'
import { any, create, type Handler, id, json, limit, read, start, things } from '#test/fixtures/odd-api.ts'

const kinds = async (target: Target, options: Partial<FuzzOptions> = {}): Promise<FaultKind[]> =>
  (await fuzz(target, { cases: 150, ...options })).findings.map(({ kind }) => kind)

t.test('an API of few words: no list, no removal, no key; what is left behind is told', async (t) => {
  const paths = { '/things': { post: create }, '/things/{id}': { get: read } }
  const report = await fuzz(await start(t, paths, things()), { cases: 100 })
  t.same(report.findings, [])
  t.match(report.leftBehind, [/^\/things\/\d+$/])
})

t.test('a row that cannot be made is no finding, and what needs it is left out', async (t) => {
  const list = { parameters: [limit, { name: 'name', in: 'query', schema: { type: 'string' } }], responses: any }
  const paths = {
    '/things': { get: list, post: { ...create, security: [{ key: [] }] } },
    '/things/{id}': { get: { ...read, security: [{ key: [] }] }, patch: { ...create, parameters: [id] } },
    '/things/{id}/open': { post: { parameters: [id], responses: any } },
    '/never': {
      post: {
        ...create,
        requestBody: { required: true, ...json({ type: 'object', minProperties: 1, additionalProperties: false }) }
      }
    },
    '/logs': { get: { responses: any } },
    '/logs/{id}': { get: read }
  }
  const report = await fuzz(await start(t, paths, () => [403, {}], { key: 'k', otherKey: 'o' }), { cases: 300 })
  t.same(report.findings, [])
  t.ok(report.onlyRefused.includes('POST /things'))
})

t.test('a list that has no rows, refuses, or has small pages only, is not walked', async (t) => {
  const sorted = { name: 'sort', in: 'query', schema: { type: 'array', items: { type: 'string', enum: ['name'] } } }
  for (const parameters of [[limit, sorted], [{ ...limit, schema: { maximum: 5 } }], []]) {
    for (const answer of [
      [404, {}],
      [200, 'text'],
      [200, { total: 0 }],
      [200, [1]]
    ] as ReturnType<Handler>[]) {
      const list = {
        parameters: [...parameters, { name: 'name', in: 'query', schema: { type: 'string' } }],
        responses: any
      }
      const paths = { '/things': { get: list, post: create }, '/things/{id}': { get: read, delete: read } }
      const own = things()
      const handler: Handler = (called) => (called.method === 'GET' && called.path === '/things' ? answer : own(called))
      t.ok((await kinds(await start(t, paths, handler), { cases: 40, checks: ['pages', 'lifecycle'] })).length === 0)
      t.ok(
        (await kinds(await start(t, paths, handler), { cases: 20, checks: ['filter'] })).every(
          (kind) => kind === 'filter'
        )
      )
    }
  }
})

t.test('pages that go on by a link in the body, by an unknown cursor, or to nowhere', async (t) => {
  const offset = { name: 'offset', in: 'query', schema: { type: 'integer' } }
  const paths = {
    '/things': { get: { parameters: [limit, offset], responses: any }, post: create },
    '/things/{id}': { get: read, delete: read }
  }
  const withNext = (next: (query: URLSearchParams) => Json): Handler => {
    const own = things()
    return (called) => {
      if (called.method !== 'GET' || called.path !== '/things') return own(called)
      const [from, most] = [Number(called.query.get('offset') ?? 0), Number(called.query.get('limit') ?? 100)]
      return [
        200,
        {
          data: [...own.rows.values()].slice(from, from + most),
          links: { next: from + most < own.rows.size ? next(called.query) : null }
        }
      ]
    }
  }
  const linked = withNext(
    (query) =>
      `/things?limit=${query.get('limit')}&offset=${Number(query.get('offset') ?? 0) + Number(query.get('limit'))}`
  )
  t.same(await kinds(await start(t, paths, linked), { checks: ['pages'] }), [])
  t.same(
    await kinds(
      await start(
        t,
        paths,
        withNext(() => 'abc')
      ),
      { checks: ['pages'] }
    ),
    [],
    'the cursor is no parameter'
  )
  t.same(
    await kinds(
      await start(
        t,
        paths,
        withNext(() => '/things?other=1')
      ),
      { checks: ['pages'] }
    ),
    []
  )
})

t.test('another user reads what is not in its list', async (t) => {
  const secured = { security: [{ key: [] }] }
  const paths = {
    '/things': { get: { ...secured, responses: any }, post: { ...create, ...secured } },
    '/things/{id}': { get: { ...read, ...secured }, delete: { ...read, ...secured } }
  }
  const own = things()
  const handler: Handler = (called) =>
    called.path === '/things' && called.method === 'GET' && called.key === 'o' ? [200, []] : own(called)
  const target = await start(t, paths, handler, { key: 'k', otherKey: 'o' })
  t.same(await kinds(target, { cases: 30, checks: ['hidden'] }), ['leaked'])
  const shared = await start(t, paths, things(), { key: 'k', otherKey: 'o' })
  t.same(await kinds(shared, { cases: 30, checks: ['hidden'] }), [], 'rows that every user lists are for all')
})

t.test('two GETs that differ are found in a life, and not where nothing is a resource', async (t) => {
  let count = 0
  const own = things()
  const restless: Handler = (called) => {
    count += 1
    const answer = own(called)
    return called.method === 'GET' ? [answer[0], answer[1], { etag: `"${count}"` }] : answer
  }
  const paths = {
    '/things': { post: create },
    '/things/{id}': { get: read, delete: read },
    '/time': { get: { responses: any } }
  }
  t.same(await kinds(await start(t, paths, restless), { checks: ['lifecycle'] }), ['not_the_same'])
  t.same(await kinds(await start(t, { '/time': paths['/time'] }, () => [200, ++count])), [])
})

t.test('only and skip name operations, a limit and a signal end a run, and progress is told', async (t) => {
  const paths = { '/things': { post: create, delete: { responses: any } }, '/things/{id}': { get: read, delete: read } }
  const failing: Handler = ({ method }) => [method === 'POST' ? 500 : 404, {}]
  const target = await start(t, paths, failing)
  await t.rejects(fuzz({ ...target, only: ['none'] }, { cases: 1 }), {
    name: 'MisuseError',
    message: /no operation 'none'/
  })
  await t.rejects(fuzz({ ...target, skip: ['none'] }, { cases: 1 }), /no operation 'none'/)
  await t.rejects(
    fuzz(target, { cases: 1, checks: ['none'] }),
    /nothing that can be tried|no operation that can be tried/
  )
  const one = await fuzz({ ...target, only: ['DELETE /things'] }, { cases: 5 })
  t.same([one.findings, one.leftOut, one.onlyRefused], [[], [], ['DELETE /things']])
  const without = await fuzz({ ...target, skip: ['POST /things'] }, { cases: 20 })
  t.same([without.findings, without.leftOut], [[], ['POST /things', 'DELETE /things']])

  const told: string[] = []
  const options = {
    cases: 50,
    maxFindings: 1,
    onCase: (done: number) => void told.push(String(done)),
    onFinding: () => void told.push('!')
  }
  const limited = await fuzz(target, options)
  t.equal(limited.findings.length, 1)
  t.ok(told.includes('!') && told.includes('1'))
  t.ok(limited.cases < 50)
  const stopping = new AbortController()
  const stopped = await fuzz(target, {
    cases: 1000,
    signal: stopping.signal,
    onCase: (done) => void (done === 3 && stopping.abort())
  })
  t.ok(stopped.cases < 1000)
  await t.rejects(replay(target, [{ ...limited.findings[0], check: 'none' } as never]), /no check 'none' of/)
})

t.test('a credential that is refused is misuse: nothing would be found with it', async (t) => {
  const paths = { '/a': { get: { security: [{ key: [] }], responses: any } } }
  const handler: Handler = ({ key }) => [key === 'right' ? 200 : 401, {}]
  await t.rejects(fuzz(await start(t, paths, handler, { key: 'wrong' }), { cases: 5 }), {
    name: 'MisuseError',
    message: /the server refuses --key: \/a is 401/
  })
  t.same((await fuzz(await start(t, paths, handler, { key: 'right' }), { cases: 5 })).onlyRefused, [])
})

t.test('what is no fault of the server ends the run', async (t) => {
  const unspeakable = await start(t, { '/a': { get: { responses: any } } }, () => [200], {
    headers: { 'no name': 'a' }
  })
  await t.rejects(fuzz(unspeakable, { cases: 5 }), { code: 'ERR_INVALID_HTTP_TOKEN' })
  const target = await start(t, { '/things': { post: create }, '/things/{id}': { get: read } }, things())
  await t.rejects(
    fuzz(target, {
      cases: 5,
      onCase: () => {
        throw new Error('the disk is full')
      }
    }),
    /the disk is full/
  )
})
