import t from 'tap'
import { allows } from '#src/identity/scopes.ts'
import { startApp } from '#test/support/app.ts'

// The test sends far more refused credentials than one address may in a minute.
const { app, send, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false' })
const admin = await someone('admin')
const owner = await someone()
const NOBODYS = '01890000-0000-7000-8000-000000000000'

const makeKey = async (scopes: string[], as = admin.token) =>
  (await send('POST', '/api/v1/api-keys', { as, body: { name: 'a key', scopes } })).body
const revoked = await makeKey(['*'])
await send('DELETE', `/api/v1/api-keys/${revoked.id}`, { as: admin.token })
const member = await someone()
const memberScopes = new Set(
  (await send('GET', '/api/v1/roles?name=member', { as: admin.token })).body.data[0].scopes as string[]
)
const own = {
  items: (await send('POST', '/api/v1/items', { as: owner.token, body: { title: 'theirs' } })).body.id,
  'api-keys': (await makeKey(['items:read'], owner.token)).id
}

const principals: { name: string; token?: string; scopes: ReadonlySet<string>; isRefused?: true }[] = [
  { name: 'nobody', scopes: new Set() },
  { name: 'a member', token: member.token, scopes: memberScopes },
  { name: 'a key of another scope', token: (await makeKey(['products:read'])).key, scopes: new Set(['products:read']) },
  { name: 'a key without scopes', token: (await makeKey([])).key, scopes: new Set() },
  { name: 'a revoked key', token: revoked.key, scopes: new Set(), isRefused: true }
]

const routes = app.routeTable
  .filter(({ url, schema }) => url !== '*' && !(schema as { hide?: boolean } | undefined)?.hide)
  .map(({ method, url, config }) => ({
    method: String(method),
    url,
    access: config?.access as string,
    isStream: config?.isStream === true && method === 'GET',
    // A route that judges its body alone ignores any credential, valid or not.
    looksAtNone: config?.credential === 'ignored'
  }))
  // Other tests cover the routes that end the current login, and those of OAuth.
  .filter(({ access, url }) => access !== 'client' && !url.endsWith('/logout'))

async function statusOf({ method, url, isStream }: (typeof routes)[number], token: string | undefined) {
  const answer = await app.inject({
    method: method as 'GET',
    url: url.replaceAll(/:\w+/g, NOBODYS),
    headers: token ? { authorization: `Bearer ${token}` } : {},
    payloadAsStream: isStream
  })
  if (isStream) answer.stream().destroy()
  return answer.statusCode
}

t.test('every route follows its policy for each kind of caller', async (t) => {
  t.ok(routes.length > 60, `${routes.length} routes`)
  for (const route of routes) {
    const { method, url, access, looksAtNone } = route
    for (const { name, token, scopes, isRefused } of principals) {
      const statusCode = await statusOf(route, token)
      const where = `${method} ${url} for ${name}: ${statusCode}`
      if (isRefused && !looksAtNone) t.equal(statusCode, 401, where)
      else if (access === 'public') t.not(statusCode, 403, where)
      else if (!token) t.equal(statusCode, 401, where)
      else if (access === 'account' && token.startsWith('tn_')) t.equal(statusCode, 403, where)
      else if (access === 'account') t.notOk([401, 403].includes(statusCode), where)
      else if (access === 'authenticated') t.not(statusCode, 401, where)
      else if (!allows(scopes, access)) t.equal(statusCode, 403, where)
      else t.notOk([401, 403].includes(statusCode), where)
    }
    const statusCode = await statusOf(route, admin.token)
    t.notOk([401, 403, 500].includes(statusCode), `${method} ${url} for an administrator: ${statusCode}`)
  }
})

t.test('a row of another user answers as if it did not exist', async (t) => {
  for (const [resource, id] of Object.entries(own)) {
    const path = `/api/v1/${resource}/${id}`
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? {} : undefined
      const foreign = await send(method, path, { as: member.token, body })
      const none = await send(method, `/api/v1/${resource}/${NOBODYS}`, { as: member.token, body })
      t.equal(foreign.status, 404, `${method} ${path}`)
      t.equal(
        foreign.text.replace(foreign.headers['x-request-id'] as string, ''),
        none.text.replace(none.headers['x-request-id'] as string, '')
      )
    }
    t.equal((await send('GET', path, { as: owner.token })).status, 200)
    t.equal((await send('GET', path, { as: admin.token })).status, 200)
  }
})

t.test('an administrator of users cannot gain rights', async (t) => {
  const role = {
    name: 'helpdesk',
    scopes: ['users:read', 'users:write', 'users:delete', 'roles:read', 'roles:write', 'roles:delete']
  }
  const made = await send('POST', '/api/v1/roles', { as: admin.token, body: role })
  t.equal(made.status, 201)
  const helper = await someone('helpdesk')
  const as = helper.token
  const stronger = await send('POST', '/api/v1/roles', {
    as: admin.token,
    body: { name: 'stronger', scopes: ['orders:*'] }
  })
  const strong = await someone('stronger')
  const tries: [string, string, object | undefined][] = [
    ['PATCH', `/api/v1/users/${helper.id}`, { role: 'admin' }],
    ['PATCH', `/api/v1/users/${admin.id}`, { password: 'a new long password' }],
    ['DELETE', `/api/v1/users/${admin.id}`, undefined],
    ['POST', '/api/v1/users', { email: 'x@example.com', password: 'a new long password', name: 'x', role: 'admin' }],
    ['PATCH', `/api/v1/roles/${made.body.id}`, { scopes: ['*'] }],
    ['PATCH', `/api/v1/roles/${stronger.body.id}`, { scopes: [] }],
    ['PUT', `/api/v1/roles/${stronger.body.id}`, { name: 'stronger', scopes: [] }],
    ['PATCH', `/api/v1/roles/${stronger.body.id}`, { name: 'weaker' }],
    ['DELETE', `/api/v1/roles/${stronger.body.id}`, undefined],
    ['PATCH', `/api/v1/users/${strong.id}`, { password: 'a new long password' }],
    ['PATCH', `/api/v1/users/${strong.id}`, { role: 'helpdesk' }],
    ['POST', '/api/v1/roles', { name: 'more', scopes: ['orders:*'] }]
  ]
  for (const [method, path, body] of tries) t.equal((await send(method, path, { as, body })).status, 403, path)
  const many = { items: [{ id: stronger.body.id, scopes: [] }] }
  t.equal((await send('PATCH', '/api/v1/roles/bulk', { as, body: many })).status, 403, 'nor by many at once')
  t.equal((await send('DELETE', '/api/v1/roles/bulk', { as, body: { ids: [stronger.body.id] } })).status, 403)
  const upsert = { items: [{ name: 'stronger', scopes: [] }], onConflict: 'update' }
  t.equal((await send('POST', '/api/v1/roles/bulk', { as, body: upsert })).status, 403)
  t.match(
    await send('PATCH', `/api/v1/roles/${stronger.body.id}`, { as: admin.token, body: { scopes: ['orders:raed'] } }),
    {
      status: 422,
      body: { details: [{ path: '/scopes/0', code: 'unknown', message: /orders:fulfil, orders:read/ }] }
    }
  )
  const same = { email: 'y@example.com', password: 'a new long password', name: 'y', role: 'helpdesk' }
  t.equal((await send('POST', '/api/v1/users', { as, body: same })).status, 201)
  t.equal(
    (
      await send('POST', '/api/v1/users', {
        as: admin.token,
        body: { ...same, email: 'z@example.com', role: 'nothing' }
      })
    ).status,
    409
  )
  t.equal(
    (
      await send('POST', '/api/v1/users', {
        as: admin.token,
        body: { ...same, email: 'z@example.com', password: 'password123' }
      })
    ).status,
    422
  )
  t.equal((await send('DELETE', `/api/v1/roles/${made.body.id}`, { as: admin.token })).status, 409, 'a role in use')
  const [fixed] = (await send('GET', '/api/v1/roles?name=admin', { as: admin.token })).body.data
  t.equal((await send('PATCH', `/api/v1/roles/${fixed.id}`, { as: admin.token, body: { scopes: [] } })).status, 409)
})

t.test('a change that is refused for one user or role is refused in a bulk request, and the others pass', async (t) => {
  const scopes = ['users:read', 'users:write', 'users:delete', 'roles:read', 'roles:write', 'roles:delete']
  await send('POST', '/api/v1/roles', { as: admin.token, body: { name: 'desk', scopes } })
  const { token: as } = await someone('desk')
  const [other, another] = [await someone('desk'), await someone('desk')]
  const user = (email: string, role: string) => ({ email, role, name: 'x', password: 'a new long password' })
  const bulk = async (method: string, resource: string, body: object, by = as) => {
    const path = `/api/v1/${resource}/bulk`
    const atomic = await send(method, path, { as: by, body })
    const partial = await send(method, `${path}?mode=partial`, { as: by, body })
    return [
      atomic.status,
      ...partial.body.results.map((one: { status: string; error?: { code: string } }) => one.error?.code ?? one.status)
    ]
  }
  const items = [user('b1@example.com', 'admin'), user('b2@example.com', 'desk')]
  t.same(await bulk('POST', 'users', { items }), [403, 'FORBIDDEN', 'created'])
  const upserts = { items: [user(admin.email.toUpperCase(), 'desk'), user(other.email, 'desk')], onConflict: 'update' }
  t.same(await bulk('POST', 'users', upserts), [403, 'FORBIDDEN', 'updated'])
  const patches = {
    items: [
      { id: admin.id, password: 'a new long password' },
      { id: other.id, role: 'admin' },
      { id: another.id, name: 'y' }
    ]
  }
  t.same(await bulk('PATCH', 'users', patches), [403, 'FORBIDDEN', 'FORBIDDEN', 'updated'])
  t.same(await bulk('DELETE', 'users', { ids: [admin.id.toUpperCase(), another.id] }), [403, 'FORBIDDEN', 'deleted'])
  const imported = await send('POST', '/api/v1/users/import?onConflict=update', {
    as,
    body: [user(admin.email, 'desk'), user('b3@example.com', 'desk')].map((one) => `${JSON.stringify(one)}\n`).join(''),
    headers: { 'content-type': 'application/x-ndjson' }
  })
  t.match(imported.body, {
    created: 1,
    failed: 1,
    errors: [{ line: 1, code: 'FORBIDDEN', message: 'This needs the scope *.' }]
  })
  t.match(await send('DELETE', '/api/v1/users/bulk', { as, body: { ids: [admin.id] } }), {
    headers: { 'www-authenticate': /scope="\*"/ },
    body: { error: { details: { scope: '*' } } }
  })

  const roles = {
    items: [
      { name: 'wide', scopes: ['orders:*'] },
      { name: 'narrow', scopes: ['users:read'] }
    ]
  }
  t.same(await bulk('POST', 'roles', roles), [403, 'FORBIDDEN', 'created'])
  const [fixed] = (await send('GET', '/api/v1/roles?name=admin', { as: admin.token })).body.data
  const [narrow] = (await send('GET', '/api/v1/roles?name=narrow', { as: admin.token })).body.data
  const by = admin.token
  t.same(await bulk('PATCH', 'roles', { items: [{ id: fixed.id, scopes: [] }] }, by), [409, 'CONFLICT'])
  t.same(await bulk('POST', 'roles', { items: [{ name: 'admin', scopes: [] }], onConflict: 'update' }, by), [
    409,
    'CONFLICT'
  ])
  t.same(await bulk('DELETE', 'roles', { ids: [fixed.id, narrow.id] }, by), [409, 'CONFLICT', 'deleted'])
  const taken = await send('POST', '/api/v1/roles', { as: by, body: { name: 'member', scopes: [] } })
  t.match(taken, { status: 409, body: { details: [{ path: '/name', code: 'unique' }] } })
})

t.test('the last administrator stays, in every way of removing one', async (t) => {
  const { send, someone } = await startApp(t)
  const [first, second] = [await someone('admin'), await someone('admin')]
  const as = first.token
  const path = `/api/v1/users/${first.id}`
  t.same(
    (await send('DELETE', '/api/v1/users/bulk', { as, body: { ids: [first.id, second.id] } })).body.details.map(
      (one: { path: string }) => one.path
    ),
    ['/ids/0', '/ids/1']
  )
  const answers = await Promise.all([
    send('PATCH', path, { as, body: { active: false } }),
    send('PATCH', `/api/v1/users/${second.id}`, { as: second.token, body: { role: 'member' } })
  ])
  t.same(answers.map(({ status }) => status).sort(), [200, 409], 'one of two at once')
  // One of the two is left, and still gets an answer.
  const left = answers[0]?.status === 409 ? first : second
  for (const body of [{ active: false }, { role: 'member' }]) {
    t.match(await send('PATCH', `/api/v1/users/${left.id}`, { as: left.token, body }), {
      status: 409,
      body: { error: { code: 'CONFLICT' } }
    })
  }
  t.equal((await send('DELETE', `/api/v1/users/${left.id}`, { as: left.token })).status, 409)
  t.equal((await send('PATCH', `/api/v1/users/${left.id}`, { as: left.token, body: { name: 'Still' } })).status, 200)
})

t.test('many keys are changed and revoked at once, and get no more rights than their maker has', async (t) => {
  const { token: as } = await someone()
  const [one, two] = [await makeKey(['items:read'], as), await makeKey(['items:read'], as)]
  const items = [
    { id: one.id, scopes: ['users:read'] },
    { id: two.id, tier: 'unlimited' },
    { id: own['api-keys'], name: 'x' },
    { id: two.id.toUpperCase(), name: 'x' }
  ]
  const patch = (body: object) => send('PATCH', '/api/v1/api-keys/bulk?mode=partial', { as, body })
  t.match((await patch({ items: items.slice(0, 3) })).body.results, [
    { error: { code: 'FORBIDDEN' } },
    { error: { code: 'FORBIDDEN' } },
    { error: { code: 'NOT_FOUND' } }
  ])
  t.match((await patch({ items: items.slice(3) })).body, { updated: 1 })
  t.match((await send('DELETE', '/api/v1/api-keys/bulk', { as, body: { ids: [one.id, two.id] } })).body, { deleted: 2 })
  t.equal((await send('GET', '/api/v1/items', { as: one.key })).status, 401, 'at once')
})

t.test('a change of a role applies at once, in both directions', async (t) => {
  const made = await send('POST', '/api/v1/roles', {
    as: admin.token,
    body: { name: 'reader', scopes: ['items:read'] }
  })
  const { token } = await someone('reader')
  const orders = async () => (await send('GET', '/api/v1/orders', { as: token })).status
  t.equal(await orders(), 403)
  const set = (scopes: string[]) =>
    send('PATCH', `/api/v1/roles/${made.body.id}`, { as: admin.token, body: { scopes } })
  await set(['orders:read'])
  t.equal(await orders(), 200)
  await set([])
  t.equal(await orders(), 403)
})
