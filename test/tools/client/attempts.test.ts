import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { call } from '#src/tools/client/runtime/call.ts'
import { type ClientOptions, createClient, type Retry } from '#src/tools/client/runtime/client.ts'
import { ApiError, isApiError } from '#src/tools/client/runtime/errors.ts'
import { isTransient, pause, pauseBefore, retryAfterOf, unlessAborted } from '#src/tools/client/runtime/retry.ts'
import { startService } from '#test/support/service.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

/** A service that answers each request with the next of its answers, the last one for ever, and a client of it. */
async function served(
  test: Test,
  answers: [status: number, body?: unknown, headers?: Record<string, string>][],
  options: Partial<ClientOptions> = {}
) {
  let turn = 0
  const service = await startService(test, (response) => {
    const [status, body, headers] = answers[Math.min(turn, answers.length - 1)] as (typeof answers)[0]
    turn += 1
    // No status: the connection breaks off without an answer.
    if (status === 0) return response.destroy()
    response.writeHead(status, { ...(typeof body === 'string' ? {} : JSON_TYPE), ...headers })
    return response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
  })
  const retries: Retry[] = []
  const client = createClient({ baseUrl: `${service.origin}/`, onRetry: (retry) => retries.push(retry), ...options })
  return { ...service, client, retries }
}

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error) => error
  )

const problem = (code: string) => ({ error: { code, message: 'It was refused.', details: { of: 'it' } }, details: [] })

t.test('what may pass is sent again: overload, limits, broken connections', async (t) => {
  const { client, seen, retries } = await served(t, [[0], [503, problem('OVERLOADED')], [429], [200, { id: 1 }]])
  t.same(await call(client, { method: 'GET', path: '/a' }), { id: 1 })
  t.equal(seen.length, 4)
  t.match(retries, [
    { method: 'GET', path: '/a', failures: 1, error: { name: 'ConnectionError' } },
    { failures: 2, error: { code: 'OVERLOADED' } },
    { failures: 3, error: { code: 'HTTP_429' } }
  ])
})

t.test('a change is sent again with the key of its first attempt, and with the body as it was', async (t) => {
  const { client, seen } = await served(t, [
    [0],
    [409, problem('IDEMPOTENCY_IN_PROGRESS')],
    [201, { id: 1 }, { 'idempotency-replayed': 'true', etag: '"1"' }]
  ])
  const body = { name: 'a' }
  const placed = call(client, { method: 'POST', path: '/a', body, isKeyed: true })
  body.name = 'changed meanwhile'
  t.match(await placed.answer(), { data: { id: 1 }, status: 201, isReplayed: true, etag: '"1"' })
  const keys = seen.map(({ headers }) => headers['idempotency-key'])
  t.equal(keys.length, 3)
  t.equal(new Set(keys).size, 1)
  t.match(keys[0], /^[0-9a-f-]{36}$/)
  t.same(
    seen.map((one) => one.body),
    Array(3).fill('{"name":"a"}')
  )
  const own = { method: 'POST', path: '/a', isKeyed: true, options: { idempotencyKey: 'mine' } }
  await call(client, own)
  t.match(seen[3]?.headers, { 'idempotency-key': 'mine' })
})

t.test('a POST without a key is sent once', async (t) => {
  const { client, seen } = await served(t, [[503], [200]])
  t.match(await failureOf(call(client, { method: 'POST', path: '/a' })), { status: 503 })
  t.equal(seen.length, 1)
})

t.test('refusals that will not pass are not sent again', async (t) => {
  const { client, seen } = await served(t, [[422, { ...problem('VALIDATION_FAILED'), details: [{ path: '/a' }] }]])
  const error = await call(client, { method: 'PUT', path: '/a' }).catch((error) => error)
  t.equal(seen.length, 1)
  t.ok(error instanceof ApiError && isApiError(error) && isApiError(error, 'CONFLICT', 'VALIDATION_FAILED'))
  t.notOk(isApiError(error, 'CONFLICT') || isApiError(new Error()))
  t.match(error, { message: 'It was refused.', details: { of: 'it' }, faults: [{ path: '/a' }] })
})

t.test('errors of OAuth, of proxies, and of servers without a word', async (t) => {
  const { client } = await served(t, [
    [400, { error: 'invalid_grant', error_description: 'It has ended.' }],
    [404, '<html>', { 'x-request-id': 'req-1' }],
    [418, { detail: 'A teapot.' }],
    [400, null]
  ])
  const errors: unknown[] = []
  for (let turn = 0; turn < 4; turn += 1)
    errors.push(await call(client, { method: 'GET', path: '/' }).catch((error) => error))
  t.match(errors, [
    { code: 'invalid_grant', message: 'It has ended.', details: { error: 'invalid_grant' } },
    { code: 'HTTP_404', message: 'The server answered 404.', requestId: 'req-1' },
    { code: 'HTTP_418', message: 'A teapot.', faults: [] },
    { code: 'HTTP_400', details: {} }
  ])
})

t.test('attempts are bounded in number, and all of them in time', async (t) => {
  const { client, seen } = await served(t, [[503], [503], [503, {}, { 'retry-after': '60' }]])
  t.match(await failureOf(call(client, { method: 'GET', path: '/', options: { maxRetries: 1 } })), { status: 503 })
  t.equal(seen.length, 2)
  t.match(await failureOf(call(client, { method: 'GET', path: '/', options: { deadlineMs: 5_000 } })), {
    retryAfterMs: 60_000
  })
  t.equal(seen.length, 3)
})

t.test('a silent server, and a caller that leaves', async (t) => {
  const { client, origin } = await silent(t)
  t.match(await failureOf(call(client, { method: 'POST', path: '/' })), {
    name: 'TimeoutError',
    message: /within 50 ms/
  })
  const leaving = new AbortController()
  const left = call(client, { method: 'GET', path: '/', options: { signal: leaving.signal, timeoutMs: Infinity } })
  leaving.abort(new Error('left'))
  await t.rejects(left, new Error('left'))
  const { signal } = leaving
  await t.rejects(call(client, { method: 'GET', path: '/', options: { signal } }), new Error('left'))
  const odd = createClient({ baseUrl: origin, maxRetries: 0, fetch: () => Promise.reject('odd') })
  t.match(await failureOf(call(odd, { method: 'GET', path: '/' })), { message: 'There is no answer: odd' })
  const unreachable = createClient({ baseUrl: origin.replace(/\d+$/, '9'), maxRetries: 0 })
  t.match(await failureOf(call(unreachable, { method: 'GET', path: '/' })), {
    name: 'ConnectionError',
    message: /There is no answer: /
  })
})

/** A server that takes connections and says nothing. */
async function silent(test: Test) {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  test.teardown(() => server.close())
  const origin = `http://127.0.0.1:${port}`
  return { origin, client: createClient({ baseUrl: origin, timeoutMs: 50, maxRetries: 1 }) }
}

t.test('a caller may leave between two attempts', async (t) => {
  const leaving = new AbortController()
  const { client } = await served(t, [[503, {}, { 'retry-after': '30' }]], {
    onRetry: () => setTimeout(() => leaving.abort(new Error('left')), 10)
  })
  const { signal } = leaving
  await t.rejects(call(client, { method: 'GET', path: '/', options: { signal } }), new Error('left'))
})

t.test('the server is told how long the caller waits, and headers of the caller count most', async (t) => {
  const { client, seen } = await served(t, [[200]], { timeoutMs: 2_500, headers: { 'X-Shop': 'one', accept: 'a/b' } })
  await call(client, { method: 'GET', path: '/' })
  t.match(seen[0]?.headers, { 'request-timeout': '2.5', 'x-shop': 'one', accept: 'application/json' })
  await call(client, { method: 'GET', path: '/', options: { timeoutMs: 1000, headers: { 'x-shop': 'two' } } })
  t.match(seen[1]?.headers, { 'request-timeout': '1', 'x-shop': 'two' })
  let turn = 0
  const counting = createClient({ baseUrl: client.baseUrl, headers: () => ({ 'x-turn': `${turn++}` }), fetch })
  await call(counting, { method: 'GET', path: '/' })
  t.match(seen[2]?.headers, { 'x-turn': '0' })
})

t.test('what goes out: a query, preferences, tags, forms; what comes: JSON, a text, nothing', async (t) => {
  const { client, seen } = await served(t, [
    [200, 'plain', { 'content-type': 'text/plain' }],
    [204, ''],
    [200, { a: 1 }, { 'content-type': 'application/problem+json' }]
  ])
  const options = { ifMatch: '"1"', minimal: true, dryRun: true, later: true }
  const query = {
    q: 'a b,c',
    or: ['(a=1)', '(b=2)'],
    fields: ['id', 'a,b'],
    price: { gte: 1, in: [1, 2] },
    none: undefined
  }
  t.equal(await call(client, { method: 'PATCH', path: '/a', query, repeated: ['or'], body: [1], options }), 'plain')
  t.equal(seen[0]?.url, '/a?q=a%20b%2Cc&or=(a%3D1)&or=(b%3D2)&fields=id,a%2Cb&price%5Bgte%5D=1&price%5Bin%5D=1,2')
  t.match(seen[0], {
    headers: {
      'if-match': '"1"',
      prefer: 'return=minimal, tx=rollback, respond-async',
      'content-type': 'application/json'
    },
    body: '[1]'
  })
  t.equal(await call(client, { method: 'POST', path: '/', form: { grant_type: 'a b', scope: undefined } }), undefined)
  t.match(seen[1], { body: 'grant_type=a+b', headers: { 'content-type': /^application\/x-www-form-urlencoded/ } })
  t.same(await call(client, { method: 'GET', path: '/', body: undefined }), { a: 1 })
})

t.test('a call is a promise', async (t) => {
  const { client } = await served(t, [[200, { a: 1 }], [404]])
  const ends: string[] = []
  const { a } = await call<{ a: number }>(client, { method: 'GET', path: '/' }).finally(() => ends.push('end'))
  t.equal(a, 1)
  const failed = call(client, { method: 'GET', path: '/' })
  t.equal(await failed.catch((error) => isApiError(error) && error.status), 404)
  t.equal(`${failed}`, '[object Call]')
  t.same(ends, ['end'])
})

t.test('an address that is none is refused at once; a page may name its own origin by a path', async (t) => {
  t.throws(() => createClient({ baseUrl: 'api.example.com' }), TypeError)
  t.equal(createClient({ baseUrl: '' }).baseUrl, '')
  t.equal(createClient({ baseUrl: '/shop/' }).baseUrl, '/shop')
})

t.test('Retry-After in seconds and as a date', async (t) => {
  const asked = (text?: string) => retryAfterOf(new Headers(text === undefined ? {} : { 'retry-after': text }), 0)
  t.equal(asked(), undefined)
  t.equal(asked('2'), 2_000)
  t.equal(asked('Thu, 01 Jan 1970 00:00:05 GMT'), 5_000)
  t.equal(asked('Thu, 01 Jan 1969 00:00:05 GMT'), 0)
  t.equal(asked('soon'), undefined)
})

t.test('pauses double, are random by half, and cut nothing that the server asks for', async (t) => {
  for (const [failures, ceiling] of [
    [1, 250],
    [2, 500],
    [3, 1_000],
    [20, 10_000]
  ] as const) {
    const pauses = Array.from({ length: 200 }, () => pauseBefore(failures, undefined))
    t.ok(pauses.every((ms) => ms >= ceiling / 2 && ms <= ceiling))
    t.ok(new Set(pauses).size > 100)
    t.ok(pauseBefore(failures, 3_000) >= 3_000 + ceiling / 2)
  }
  t.ok(isTransient(502, '') && isTransient(504, '') && !isTransient(500, 'INTERNAL') && !isTransient(409, 'CONFLICT'))
})

t.test('waiting ends with its signal', async (t) => {
  const { signal } = new AbortController()
  await pause(1, signal)
  await pause(1, undefined)
  const aborted = AbortSignal.abort(new Error('left'))
  await t.rejects(pause(1, aborted), new Error('left'))
  await t.rejects(unlessAborted(Promise.resolve(), aborted), new Error('left'))
  t.equal(await unlessAborted(Promise.resolve(1), undefined), 1)
  t.equal(await unlessAborted(Promise.resolve(1), signal), 1)
  const later = new AbortController()
  const waiting = unlessAborted(new Promise(() => {}), later.signal)
  later.abort(new Error('left'))
  await t.rejects(waiting, new Error('left'))
})
