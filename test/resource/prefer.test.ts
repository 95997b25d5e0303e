import { like, sql } from 'drizzle-orm'
import t from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { parsePrefer } from '#src/http/prefer.ts'
import { startApp } from '#test/support/app.ts'
import { declaredResources, has, newBody } from '#test/support/resources.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const all = declaredResources(app)

for (const declared of all.filter((one) => has(one, 'POST', ''))) {
  const { path } = declared
  const list = async () => (await send('GET', `${path}?count=exact`, { as: admin.token })).body.page.total

  t.test(`${path}: return=minimal leaves the body out, and keeps where and which version`, async (t) => {
    const headers = { prefer: 'return=minimal' }
    const body = await newBody(all, declared, send, admin.token)
    const created = await send('POST', path, { as: admin.token, body, headers })
    t.match(created, { status: 201, text: '', headers: { etag: /^"1[-"]/, 'preference-applied': 'return=minimal' } })
    t.notOk(created.headers['content-type'])
    const one = created.headers.location as string
    t.equal((await send('GET', one, { as: admin.token })).status, 200)
    for (const method of ['PATCH', 'PUT', 'DELETE']) {
      if (!has(declared, method, '/:id')) continue
      const answer = await send(method, one, { as: admin.token, headers, ...(method !== 'DELETE' && { body }) })
      t.match(answer, { status: 204, text: '', headers: { 'preference-applied': 'return=minimal' } }, method)
      if (method !== 'DELETE') t.match(answer.headers.etag, /^"\d+"$/)
    }
  })

  t.test(`${path}: tx=rollback answers as if, and keeps nothing`, async (t) => {
    const headers = { prefer: 'tx=rollback' }
    const body = await newBody(all, declared, send, admin.token)
    const before = await list()
    const rehearsed = await send('POST', path, { as: admin.token, body, headers })
    t.match(rehearsed, { status: 201, headers: { etag: /^"1[-"]/, 'preference-applied': 'tx=rollback' } })
    t.equal(await list(), before)
    t.equal((await send('GET', rehearsed.headers.location as string, { as: admin.token })).status, 404)
    const one = (await send('POST', path, { as: admin.token, body })).headers.location as string
    for (const method of ['PATCH', 'PUT', 'DELETE']) {
      if (!has(declared, method, '/:id')) continue
      const answer = await send(method, one, { as: admin.token, headers, ...(method !== 'DELETE' && { body }) })
      t.ok(answer.status < 300, method)
      t.match(await send('GET', one, { as: admin.token }), { status: 200, headers: { etag: '"1"' } }, method)
    }
  })
}

t.test('a rehearsal refuses what the performance would, and uses no key up', async (t) => {
  const headers = { prefer: 'tx=rollback', 'idempotency-key': 'rehearsal' }
  const post = (name: string | number, more = headers as Record<string, string>) =>
    send('POST', '/api/v1/categories', { as: admin.token, body: { name }, headers: more })
  t.equal((await post('DryRunResult')).status, 201)
  t.equal((await post('DryRunResult', { 'idempotency-key': 'rehearsal' })).status, 201)
  const other = { ...headers, 'idempotency-key': 'another' }
  t.match(await post('DryRunResult', other), { status: 409, body: { details: [{ path: '/name', code: 'unique' }] } })
  t.equal((await post(7)).status, 422)
})

t.test('a dry run of a bulk or an import does everything and keeps nothing', async (t) => {
  const path = '/api/v1/categories'
  const total = async () => (await send('GET', `${path}?count=exact`)).body.page.total
  const rows = [{ name: 'Dry 1' }, { name: 'Dry 1' }, { name: '' }, { name: 'Dry 2' }]
  const before = await total()
  const dry = (method: string, url: string, body: unknown, type: string, more = {}) =>
    send(method, url, {
      as: admin.token,
      body,
      headers: { 'content-type': type, prefer: 'tx=rollback, handling=strict', ...more }
    } as never)
  const applied = { 'preference-applied': 'tx=rollback, handling=strict' }
  t.match(await dry('POST', `${path}/bulk?mode=partial`, { items: rows }, 'application/json'), {
    status: 200,
    headers: applied,
    body: { created: 2, failed: 2 }
  })
  for (const [type, text] of [
    ['application/x-ndjson', rows.map((row) => `${JSON.stringify(row)}\n`).join('')],
    ['text/csv', `name\n${rows.map(({ name }) => `"${name}"\n`).join('')}`]
  ] as const) {
    const headers = { 'idempotency-key': `dry-${type.length}` }
    const expected = { created: 2, failed: 2 }
    t.match(await dry('POST', `${path}/import`, text, type, headers), { status: 200, headers: applied, body: expected })
    t.equal(await total(), before, type)
    const skip = `${path}/import?onConflict=skip`
    t.match(await dry('POST', skip, text, type), { status: 200, body: { created: 2, skipped: 1, failed: 1 } })
    const load = (more = {}) =>
      send('POST', skip, { as: admin.token, body: text, headers: { 'content-type': type, ...more } })
    const real = await load({ ...headers })
    t.equal(real.status, 200)
    t.match(await dry('POST', skip, text, type, headers), {
      headers: { 'idempotency-replayed': 'true' },
      body: real.body
    })
    t.match(await dry('POST', skip, `${text}\n`, type, headers), { status: 422 }, 'the real one would be refused')
    await app.db.delete(categories).where(like(categories.name, 'Dry %'))
  }
  t.equal(await total(), before)
  const minimal = (text: string) =>
    send('POST', `${path}/import?onConflict=skip`, {
      as: admin.token,
      body: text,
      headers: { 'content-type': 'application/x-ndjson', prefer: 'return=minimal' }
    })
  t.match(await minimal('{"name":"Dry 3"}\n'), { status: 204, text: '' })
  t.match(await minimal('{"name":""}\n'), { status: 200, body: { failed: 1 } })
})

t.test('a dry run tells what its key would do', async (t) => {
  const post = (name: string, prefer?: string) =>
    send('POST', '/api/v1/categories', {
      as: admin.token,
      body: { name },
      headers: { 'idempotency-key': 'told', ...(prefer && { prefer }) }
    })
  const first = await post('Told')
  t.match(await post('Told', 'tx=rollback'), {
    status: 201,
    body: first.body,
    headers: { 'idempotency-replayed': 'true', 'preference-applied': 'tx=rollback' }
  })
  t.match(await post('Other', 'tx=rollback'), { status: 422, body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } } })
  // As while the first request is under way.
  const keys = app.db.update(idempotencyKeys)
  await keys.set({ status: null, leasedUntil: sql`now() + interval '1 minute'` as never })
  t.match(await post('Told', 'tx=rollback'), { status: 409, body: { error: { code: 'IDEMPOTENCY_IN_PROGRESS' } } })
  await app.db.delete(idempotencyKeys)
})

t.test('a dry run of what cannot be undone is refused', async (t) => {
  const login = (prefer: string) =>
    send('POST', '/api/v1/auth/login', { body: { email: 'a@example.com', password: 'x' }, headers: { prefer } })
  t.match(await login('tx=rollback'), { status: 400, body: { error: { code: 'UNKNOWN_PREFERENCE' } } })
  t.equal((await login('return=minimal')).status, 401)
})

t.test('a repeated answer is the one that was preferred first', async (t) => {
  const post = (prefer: string) =>
    send('POST', '/api/v1/categories', {
      as: admin.token,
      body: { name: 'Preferred' },
      headers: { prefer, 'idempotency-key': 'preferred' }
    })
  const first = await post('return=minimal')
  const again = await post('return=representation')
  t.match(again, {
    status: 201,
    text: '',
    headers: { location: first.headers.location, 'idempotency-replayed': 'true' }
  })
})

t.test('unknown preferences are ignored, unless the caller is strict', async (t) => {
  const post = (prefer: string) =>
    send('POST', '/api/v1/categories', { as: admin.token, body: { name: `Prefer ${prefer}` }, headers: { prefer } })
  const lenient = await post('respond-async, wait=10, return=headers-only')
  t.equal(lenient.status, 201)
  t.notOk(lenient.headers['preference-applied'])
  t.match(await post('handling=strict, wait=10, return=minimal'), {
    status: 400,
    body: { error: { code: 'UNKNOWN_PREFERENCE', details: { unknown: ['wait=10'] } } }
  })
  t.match(await post('handling=strict, return=representation'), {
    status: 201,
    headers: { 'preference-applied': 'handling=strict, return=representation' }
  })
})

t.test('reads Prefer as RFC 7240 writes it', async (t) => {
  const cases: [header: string | undefined, preferences: object][] = [
    [undefined, {}],
    ['', {}],
    ['return=minimal', { return: 'minimal' }],
    ['Return="minimal"', { return: 'minimal' }],
    [' return = minimal ; foo=bar , tx=rollback', { return: 'minimal', tx: 'rollback' }],
    ['return=minimal, return=representation', { return: 'minimal' }],
    ['return; tx', {}],
    ['__proto__=x, constructor=x, =, tx="', {}]
  ]
  for (const [header, preferences] of cases)
    t.same(parsePrefer(header, ['return', 'tx', 'handling']), preferences, String(header))
})
