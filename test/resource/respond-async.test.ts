import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { v7 } from 'uuid'
import { selectRaw } from '#src/db/rows.ts'
import { JobFiles } from '#src/jobs/files.ts'
import type { JobContext } from '#src/jobs/job.ts'
import bulkJob from '#src/resource/respond-async/bulk.job.ts'
import exportJob from '#src/resource/respond-async/export.job.ts'
import { exportAsJob } from '#src/resource/respond-async/run-export.ts'
import { type Answered, type Sent, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { JOBS: 'on' })
const [admin, member, other] = [await someone('admin'), await someone(), await someone()]
const LATER = { prefer: 'respond-async' }
const NDJSON = { 'content-type': 'application/x-ndjson' }

/** Sends a request that leaves its work to a job. */
function ask(method: string, url: string, { headers, ...sent }: Sent = {}) {
  return send(method, url, { as: member.token, ...sent, headers: { ...LATER, ...headers } })
}

/** Waits until the job that an answer names has ended. */
async function ended({ headers: { location } }: Answered, as = member.token): Promise<Answered['body']> {
  for (;;) {
    const { body } = await send('GET', location as string, { as })
    if (/done|failed|cancelled/.test(body.state)) return body
    await sleep(5)
  }
}
const lines = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => JSON.stringify({ title: `${name} ${index}` })).join('\n')
const countOf = async (name: string) =>
  (await send('GET', `/api/v1/items?q=${name}&count=exact&limit=1`, { as: admin.token })).body.page.total
const filesLeft = async () =>
  (
    await selectRaw<{ count: number }>(app.db, sql`select count(*)::int as count from job_files where kind = 'input'`)
  )[0]?.count

t.test('an import is answered at once, and a job does it', async (t) => {
  const answer = await ask('POST', '/api/v1/items/import', { body: lines(1500, 'apple'), headers: NDJSON })
  t.match(answer, {
    status: 202,
    headers: { 'preference-applied': 'respond-async', location: /^\/api\/v1\/jobs\/[-\da-f]{36}$/ },
    body: { name: 'importItems', state: 'queued', progress: { done: 0, total: null }, attempts: 0, result: null }
  })
  const job = await ended(answer)
  t.match(job, {
    state: 'done',
    progress: { done: 1500, total: 1500 },
    result: { created: 1500, failed: 0, errors: [] },
    error: null,
    attempts: 1
  })
  t.equal(await countOf('apple'), 1500)
  t.equal(await filesLeft(), 0, 'its body is not kept')
})

t.test('a CSV and its query are kept for the job, and refused lines are told in its result', async (t) => {
  const body = 'sku,name,priceCents,stock\r\nLATER-1,One,100,\r\nLATER-2,Two,nothing,\r\n'
  const sent = { as: admin.token, body, headers: { 'content-type': 'text/csv' } }
  const url = '/api/v1/products/import?onConflict=update'
  t.match((await ended(await ask('POST', url, sent), admin.token)).result, {
    created: 1,
    failed: 1,
    errors: [{ line: 3, details: [{ path: '/priceCents' }] }]
  })
  t.match((await ended(await ask('POST', url, sent), admin.token)).result, { created: 0, updated: 1, failed: 1 })
})

t.test('an import that broke off goes on where it came to, and writes no row twice', async (t) => {
  await app.db.execute(sql`create function refuse() returns trigger language plpgsql as $$
    begin if new.title = 'pear 1500' then raise 'away'; end if; return new; end $$`)
  await app.db.execute(sql`create trigger refuse before insert on items for each row execute function refuse()`)
  const body = `${lines(1, 'pear')}\n{"title":7}\n${lines(2500, 'pear').split('\n').slice(1).join('\n')}\n`
  const answer = await ask('POST', '/api/v1/items/import', { body, headers: NDJSON })
  const { id } = answer.body
  const read = async () => (await send('GET', `/api/v1/jobs/${id}`, { as: member.token })).body
  while (!(await read()).error) await sleep(5)
  t.match(await read(), { state: 'queued', attempts: 1, progress: { done: 1001 }, error: { code: 'INTERNAL' } })
  t.equal(await countOf('pear'), 1000)
  await app.db.execute(sql`drop trigger refuse on items`)
  await app.db.execute(sql`update job_common set start_after = now() where id = ${id}`)
  await app.db.execute(sql`select pg_notify('tenon_jobs', 'import')`)
  t.match(await ended(answer), {
    state: 'done',
    attempts: 2,
    result: { created: 2500, failed: 1, errors: [{ line: 2 }] }
  })
  t.equal(await countOf('pear'), 2500)
})

t.test('bulk changes are done by a job, whole', async (t) => {
  const create = await ended(
    await ask('POST', '/api/v1/items/bulk', { body: { items: [{ title: 'fig 1' }, { title: 'fig 2' }] } })
  )
  t.match(create, { name: 'bulkCreateItems', state: 'done', progress: { done: 2, total: 2 }, result: { created: 2 } })
  const ids = create.result.results.map(({ id }: { id: string }) => id)
  const items = ids.map((id: string) => ({ id, description: 'sweet' }))
  t.match(await ended(await ask('PATCH', '/api/v1/items/bulk', { body: { items } })), { result: { updated: 2 } })
  t.match((await send('GET', `/api/v1/items/${ids[0]}`, { as: member.token })).body, { description: 'sweet' })
  t.match(await ended(await ask('DELETE', '/api/v1/items/bulk', { body: { ids } })), { result: { deleted: 2 } })
  t.equal(await filesLeft(), 0)
})

t.test('a bulk change that is refused ends its job with the faults, and is not tried again', async (t) => {
  const job = await ended(
    await ask('POST', '/api/v1/items/bulk', { body: { items: [{ title: 'plum' }, { title: 3 }] } })
  )
  t.match(job, {
    state: 'failed',
    attempts: 1,
    result: null,
    error: { code: 'VALIDATION_FAILED', details: [{ in: 'body', path: '/items/1/title', code: 'type' }] }
  })
  t.equal(await countOf('plum'), 0)
})

t.test('an export is a file of its job, for those that may read the resource', async (t) => {
  const answer = await ask('GET', '/api/v1/items/export?q=apple&sort=title&fields=title', {
    headers: { accept: 'text/csv' }
  })
  t.equal(answer.status, 202)
  const { id, ...job } = await ended(answer)
  const url = `/api/v1/jobs/${id}/result`
  t.match(job, {
    name: 'exportItems',
    progress: { done: 1500, total: 1500 },
    result: { url, type: 'text/csv; charset=utf-8; header=present', rows: 1500 }
  })
  const file = await send('GET', url, { as: member.token })
  t.match(file, { status: 200, headers: { 'content-type': 'text/csv; charset=utf-8; header=present' } })
  t.equal(file.text.trimEnd().split('\n').length, 1501)
  t.equal(Buffer.byteLength(file.text), job.result.bytes)
  t.equal((await send('GET', url, { as: admin.token })).text, file.text, 'jobs of all users are seen with jobs:*')
  t.equal((await send('GET', url, { as: other.token })).status, 404)
  t.equal((await send('GET', url)).status, 401)

  const keyOf = async (scope: string) =>
    (await send('POST', '/api/v1/api-keys', { as: member.token, body: { name: scope, scopes: [scope] } })).body.key
  const headers = { 'x-api-key': await keyOf('items:read') }
  const byKey = await send('GET', '/api/v1/items/export?title=apple%207', { headers: { ...LATER, ...headers } })
  t.match(await ended(byKey), { result: { rows: 1 } }, 'a key asks, and its user sees the job')
  const narrow = await send('GET', url, { headers: { 'x-api-key': await keyOf('jobs:read') } })
  const all = await ended(await ask('GET', '/api/v1/items/export', { as: admin.token }), admin.token)
  const own = { name: 'own', scopes: ['items:read'] }
  const ofAdmin = (await send('POST', '/api/v1/api-keys', { as: admin.token, body: own })).body.key
  const more = await send('GET', all.result.url, { headers: { 'x-api-key': ofAdmin } })
  t.match(
    more,
    { status: 403, body: { error: { details: { scope: 'items:*' } } } },
    'no key gets more than it may read'
  )
  t.match(narrow, { status: 403, body: { error: { details: { scope: 'items:read' } } } })
})

t.test('NDJSON is what an export writes when nothing is said', async (t) => {
  const job = await ended(await ask('GET', '/api/v1/items/export?title=apple%207'))
  const { text } = await send('GET', job.result.url, { as: member.token })
  t.match(JSON.parse(text), { title: 'apple 7', ownerId: member.id })
})

t.test('a job without a file, or of another user, has no result to read', async (t) => {
  const answer = await ask('POST', '/api/v1/items/bulk', { body: { items: [{ title: 'lime' }] } })
  const { id } = await ended(answer)
  for (const path of [`/api/v1/jobs/${id}/result`, '/api/v1/jobs/0192f0c1-2345-7abc-8def-0123456789ab/result'])
    t.equal((await send('GET', path, { as: member.token })).status, 404)
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/cancel'],
    ['POST', '/retry']
  ] as const)
    t.equal((await send(method, `/api/v1/jobs/${id}${path}`, { as: other.token })).status, 404)
  t.same((await send('GET', '/api/v1/jobs', { as: other.token })).body.data, [])
  const list = await send('GET', '/api/v1/jobs?name=bulkCreateItems&state=done&sort=-createdAt&limit=1', {
    as: member.token
  })
  t.equal(list.body.data[0].id, id)
})

t.test('with an Idempotency-Key one job is sent', async (t) => {
  const headers = { 'idempotency-key': 'later-1' }
  const sent = { body: { items: [{ title: 'kiwi' }] }, headers }
  const [first, second] = [await ask('POST', '/api/v1/items/bulk', sent), await ask('POST', '/api/v1/items/bulk', sent)]
  t.equal(second.headers['idempotency-replayed'], 'true')
  t.same(second.body, first.body)
  await ended(first)
  const stream = { body: lines(3, 'mango'), headers: { ...NDJSON, 'idempotency-key': 'later-2' } }
  const [one, two] = [
    await ask('POST', '/api/v1/items/import', stream),
    await ask('POST', '/api/v1/items/import', stream)
  ]
  t.equal(two.headers.location, one.headers.location)
  await ended(one)
  t.same([await countOf('kiwi'), await countOf('mango')], [1, 3])
})

t.test('a dry run, a caller without a credential and any other operation are answered as ever', async (t) => {
  const body = { items: [{ title: 'nut' }] }
  const dry = await ask('POST', '/api/v1/items/bulk', { body, headers: { prefer: 'respond-async, tx=rollback' } })
  t.match(dry, { status: 200, headers: { 'preference-applied': 'tx=rollback' } })
  const open = await send('GET', '/api/v1/products/export', { headers: LATER })
  t.match(open, { status: 200, headers: { 'preference-applied': undefined } })
  const create = await ask('POST', '/api/v1/items', { body: { title: 'nut' } })
  t.match(create, { status: 201, headers: { 'preference-applied': undefined } })
  const strict = await ask('POST', '/api/v1/items', {
    body: { title: 'nut' },
    headers: { prefer: 'respond-async, handling=strict' }
  })
  t.match(strict, { status: 400, body: { error: { code: 'UNKNOWN_PREFERENCE' } } })
  const minimal = await ask('POST', '/api/v1/items/bulk', {
    body,
    headers: { prefer: 'respond-async, return=minimal' }
  })
  t.match(minimal, {
    status: 202,
    body: { state: 'queued' },
    headers: { 'preference-applied': 'respond-async, return=minimal' }
  })
  await ended(minimal)
})

t.test('a request that is refused sends no job', async (t) => {
  const before = (await send('GET', '/api/v1/jobs?count=exact', { as: admin.token })).body.page.total
  t.equal((await ask('POST', '/api/v1/items/bulk', { body: { items: [] } })).status, 422)
  t.equal((await ask('POST', '/api/v1/products/bulk', { body: { items: [{}] } })).status, 403)
  t.equal((await ask('POST', '/api/v1/items/import', { body: {} })).status, 415)
  t.equal((await ask('GET', '/api/v1/items/export?nope=1')).status, 422)
  t.equal((await send('GET', '/api/v1/jobs?count=exact', { as: admin.token })).body.page.total, before)
})

const input = (operation: string, userId: string) => ({
  operation,
  requestId: 'req-1',
  query: { mode: 'atomic' },
  contentType: null,
  accept: null,
  lines: 1,
  principal: { userId, role: 'member', scopes: ['items:write'], keyId: null }
})

t.test('a job ends when its user or its operation is there no more', async (t) => {
  const { id: gone } = await someone()
  await app.db.execute(sql`update users set active = false where id = ${gone}`)
  const cases = [
    ['bulkCreateItems', gone, { code: 'UNAUTHENTICATED' }],
    ['bulkCreateNothing', member.id, { code: 'JOB_FAILED' }],
    ['bulkCreateProducts', member.id, { code: 'FORBIDDEN' }]
  ] as const
  for (const [operation, userId, error] of cases) {
    const id = await app.jobs.send(bulkJob, input(operation, userId))
    const answer = { headers: { location: `/api/v1/jobs/${id}` } } as never
    t.match(await ended(answer, admin.token), { name: 'bulk', state: 'failed', attempts: 1, error })
  }
})

t.test('a job is cancelled while it waits, and tried again, each once', async (t) => {
  const id = v7()
  await app.jobs.files.write(id, 'input', ['{"items":[{"title":"quince"}],"onConflict":"fail"}'])
  await app.jobs.send(bulkJob, input('bulkCreateItems', member.id), { id, ownerId: member.id, startAfter: 3600 })
  const url = `/api/v1/jobs/${id}`
  const step = (name: string, headers = {}) => send('POST', `${url}/${name}`, { as: member.token, headers })
  const { etag } = (await send('GET', url, { as: member.token })).headers as { etag: string }
  t.match(await step('retry'), {
    status: 409,
    body: { error: { code: 'INVALID_TRANSITION', details: { state: 'queued' } } }
  })
  t.equal((await step('cancel', { 'if-match': '"0"' })).status, 412)
  t.match(await step('cancel', { 'if-match': etag }), { status: 200, body: { state: 'cancelled', finishedAt: /Z$/ } })
  t.match(await step('cancel'), { status: 409, body: { error: { code: 'INVALID_TRANSITION' } } })
  t.match(await step('retry'), { status: 200, body: { finishedAt: null } })
  t.match(await ended({ headers: { location: url } } as never), { state: 'done', result: { created: 1 } })
  t.equal((await step('retry')).status, 409)
})

t.test('a user has a bounded number of them', async (t) => {
  const { id, token } = await someone()
  for (let count = 0; count < 20; count += 1)
    await app.jobs.send(bulkJob, input('bulkCreateItems', id), { ownerId: id, startAfter: 3600 })
  const answer = await ask('POST', '/api/v1/items/bulk', { as: token, body: { items: [{ title: 'olive' }] } })
  t.match(answer, { status: 429, headers: { 'retry-after': '3600' }, body: { error: { code: 'TOO_MANY_REQUESTS' } } })
})

t.test('an attempt that was given up for dead writes no file, and ends no job', async (t) => {
  const id = await app.jobs.send(exportJob, input('exportItems', member.id), { startAfter: 3600 })
  await app.db.execute(sql`update job_common set state = 'active', started_on = now() where id = ${id}`)
  const attempt = { id, name: 'export', number: 1, startedOn: '2026-01-01T00:00:00Z', payload: {} as never }
  const { storage, files } = app.jobs
  const context = {
    id,
    progress: (...[done, total, more]: Parameters<JobContext['progress']>) =>
      storage.progress(attempt, done, total ?? null, undefined, more?.tx)
  } as JobContext
  const opened = { type: 'text/csv', batches: [] as never, write: { header: 'title', rows: () => '' } }
  await t.rejects(exportAsJob(app.db, { context, files } as never, opened), { name: 'JobEnded' })
  await storage.complete(attempt, {})
  const [job] = await selectRaw<{ state: string; parts: number }>(
    app.db,
    sql`select state,
    (select count(*)::int from job_files where job_id = jobs.id) as parts from jobs where id = ${id}`
  )
  t.same(job, { state: 'running', parts: 0 })
})

t.test('nothing is kept of a body that ends early, and a file has a bound', async (t) => {
  const before = await filesLeft()
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  const head = `POST /api/v1/items/import HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${member.token}\r\nprefer: respond-async\r\n`
  socket.write(`${head}content-type: application/x-ndjson\r\ncontent-length: 9999999\r\n\r\n${lines(20_000, 'date')}`)
  while ((await filesLeft()) === before) await sleep(5)
  socket.destroy()
  while ((await filesLeft()) !== before) await sleep(5)
  t.match((await ended(await ask('POST', '/api/v1/items/import', { body: '', headers: NDJSON }))).result, {
    created: 0
  })
  const files = new JobFiles(app.db, 10)
  await t.rejects(files.write(v7(), 'input', ['12345', '678901']), { code: 'PAYLOAD_TOO_LARGE' })
})
