import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { makeKeyGuard } from '#routes/api/v1/api-keys/guard.ts'
import type { Database } from '#src/db/database.ts'
import { fromBase62, toBase62 } from '#src/identity/api-keys/base62.ts'
import { idOfKey, makeKey } from '#src/identity/api-keys/key-format.ts'
import { KeyUsage } from '#src/identity/api-keys/key-usage.ts'
import { Authenticator } from '#src/identity/requests/authenticator.ts'
import { PrincipalResolver } from '#src/identity/requests/principal-resolver.ts'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import { contains, type Network, normalizeNetwork, parseNetwork } from '#src/schema/networks.ts'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const member = await someone()
const ID = '01890000-0000-7000-8000-000000000000'

const make = async (body: object = {}, as = admin.token) =>
  (await send('POST', '/api/v1/api-keys', { as, body: { name: 'a key', scopes: ['items:read'], ...body } })).body
const call = async (key: string, remoteAddress = '127.0.0.1') =>
  (await app.inject({ url: '/api/v1/items', headers: { 'x-api-key': key }, remoteAddress })).statusCode

t.test('1,000,000 keys, no duplicate', async (t) => {
  const seen = new Set<string>()
  for (let count = 0; count < 1_000_000; count += 1) seen.add(makeKey('live', ID))
  t.equal(seen.size, 1_000_000)
})

t.test('every single-character typo in 10,000 keys is refused without a database call', async (t) => {
  const broken = new Proxy({} as Database, {
    get() {
      throw new Error('the database was used')
    }
  })
  const listen = async () => ({ close: async () => {} })
  const usage = new KeyUsage(broken)
  t.teardown(() => usage.close())
  const authenticator = new Authenticator(new PrincipalResolver(broken, listen), new Map(), usage)
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-'
  let accepted = 0
  for (let count = 0; count < 10_000; count += 1) {
    const key = makeKey('live', ID)
    // Every place, with one other character each: a CRC-32 finds all changes of up to 32 bits in a row.
    for (let place = 0; place < key.length; place += 1) {
      const typo = digits[(digits.indexOf(key[place] as string) + 1 + (count % 63)) % 64] as string
      if (idOfKey(key.slice(0, place) + typo + key.slice(place + 1)) !== undefined) accepted += 1
    }
    const place = 3 + (count % (key.length - 3))
    const typo = digits[(digits.indexOf(key[place] as string) + 1) % 62] as string
    if (await authenticator.verify(key.slice(0, place) + typo + key.slice(place + 1), '', {} as never)) accepted += 1
  }
  t.equal(accepted, 0)
  await t.rejects(
    authenticator.verify(makeKey('live', ID), '', {} as never),
    /the database was used/,
    'a good one is looked up'
  )
})

t.test('base 62 goes there and back', async (t) => {
  for (const hex of ['00000000', 'ffffffff', '0000000a']) t.equal(fromBase62(toBase62(hex, 6), 8), hex)
  t.equal(fromBase62('zzzzzzzzzz', 8), undefined)
})

t.test('a used key needs no database', async (t) => {
  const { key } = await make()
  t.equal(await call(key), 200)
  const connection = {}
  const grant = app.identity.authenticator.recall(key, '127.0.0.1', connection)
  t.ok(grant)
  t.equal(app.identity.authenticator.recall(key, '127.0.0.1', connection), grant, 'and makes nothing anew')
  const other = makeKey('test', idOfKey(key) as string)
  t.equal(app.identity.authenticator.recall(other, '127.0.0.1', connection), undefined, 'nor is another taken for it')
})

t.test('a key is never shown again, and is found by its prefix', async (t) => {
  const made = await make({ metadata: { team: 'billing' } })
  t.match(made.key, /^tn_test_[0-9A-Za-z]{22}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/)
  t.equal(idOfKey(made.key), made.id)
  for (const path of ['/api/v1/api-keys', `/api/v1/api-keys/${made.id}`]) {
    const { text } = await send('GET', path, { as: admin.token })
    t.notMatch(text, made.key.slice(-20))
    t.match(text, made.prefix)
  }
  const [row] = await app.db.select().from(apiKeys).where(eq(apiKeys.id, made.id))
  t.notMatch(JSON.stringify(row), made.key.slice(-20))
  t.same((await send('GET', `/api/v1/api-keys/${made.id}`, { as: admin.token })).body.metadata, { team: 'billing' })
})

t.test('a key has no more than its maker, now and later', async (t) => {
  const more = await send('POST', '/api/v1/api-keys', { as: member.token, body: { name: 'x', scopes: ['users:read'] } })
  t.equal(more.status, 403)
  t.same(more.body.error.details, { scope: 'users:read' })
  const faster = { name: 'x', scopes: [], tier: 'unlimited' }
  t.equal((await send('POST', '/api/v1/api-keys', { as: member.token, body: faster })).status, 403)
  t.equal((await send('POST', '/api/v1/api-keys', { as: admin.token, body: faster })).status, 201)
  const own = await make({ tier: 'standard' }, member.token)
  const widened = await send('PATCH', `/api/v1/api-keys/${own.id}`, { as: member.token, body: { scopes: ['*'] } })
  t.equal(widened.status, 403)
  t.equal((await send('GET', `/api/v1/api-keys/${own.id}`, { as: admin.token })).status, 200)
  const foreign = await make()
  t.equal((await send('GET', `/api/v1/api-keys/${foreign.id}`, { as: member.token })).status, 404)
  t.equal((await send('POST', `/api/v1/api-keys/${foreign.id}/rotate`, { as: member.token })).status, 404)
  const weak = await make({ scopes: ['api-keys:write', 'items:read'] }, member.token)
  const child = { name: 'x', scopes: ['orders:read'] }
  t.equal((await send('POST', '/api/v1/api-keys', { as: weak.key, body: child })).status, 403)
})

t.test('a disabled, expired or revoked key, and one from a wrong address, is refused', async (t) => {
  const disabled = await make()
  t.equal(await call(disabled.key), 200)
  const off = { as: admin.token, body: { enabled: false } }
  t.equal((await send('PATCH', `/api/v1/api-keys/${disabled.id}`, off)).status, 200)
  t.equal(await call(disabled.key), 401)
  const on = { as: admin.token, body: { enabled: true } }
  await send('PATCH', `/api/v1/api-keys/${disabled.id}`, on)
  t.equal(await call(disabled.key), 200)
  t.equal((await send('DELETE', `/api/v1/api-keys/${disabled.id}`, { as: admin.token })).status, 204)
  t.equal(await call(disabled.key), 401)

  const expiring = await make({ expiresAt: '2099-01-01T00:00:00Z' })
  t.equal(await call(expiring.key), 200)
  await app.db.update(apiKeys).set({ expiresAt: sql`now() - interval '1 second'` }).where(eq(apiKeys.id, expiring.id))
  await app.identity.principals.catchUp()
  t.equal(await call(expiring.key), 401)

  const placed = await make({ allowedCidrs: ['203.0.113.0/24', '2001:db8::/32', '192.0.2.7'] })
  for (const address of ['203.0.113.9', '2001:db8::5', '192.0.2.7', '::ffff:203.0.113.9']) {
    t.equal(await call(placed.key, address), 200, address)
  }
  for (const address of ['203.0.114.9', '2001:db9::5', '192.0.2.8', '127.0.0.1']) {
    t.equal(await call(placed.key, address), 401, address)
  }
  const bad = { name: 'x', scopes: [], allowedCidrs: ['203.0.113.0/33', 'everywhere', '::1/129'] }
  t.equal((await send('POST', '/api/v1/api-keys', { as: admin.token, body: bad })).body.details.length, 3)
})

t.test('a key never has more rights than the key that makes or changes it', async (t) => {
  const [ends, sooner, later] = ['2098-01-01T00:00:00.000Z', '2097-12-31T23:59:59.999Z', '2098-01-01T00:00:00.001Z']
  const limits = {
    scopes: ['api-keys:*', 'items:read'],
    expiresAt: ends,
    allowedCidrs: ['127.0.0.0/8', '2001:db8::/32']
  }
  const parent = await make(limits)
  const as = parent.key
  const whole = { name: 'x', scopes: ['items:read'], expiresAt: ends, allowedCidrs: ['127.0.0.1'], tier: null }
  const child = await send('POST', '/api/v1/api-keys', { as, body: whole })
  t.equal(child.status, 201)
  const more: object[] = [
    { scopes: ['items:write'] },
    { scopes: ['*'] },
    { expiresAt: null },
    { expiresAt: later },
    { allowedCidrs: null },
    { allowedCidrs: ['126.0.0.0/7'] },
    { allowedCidrs: ['127.0.0.1', '10.0.0.1'] },
    { allowedCidrs: ['0.0.0.0/0'] },
    { allowedCidrs: ['::/0'] },
    { tier: 'high' },
    { tier: 'unlimited' }
  ]
  for (const powers of more) {
    const what = JSON.stringify(powers)
    t.equal(
      (await send('POST', '/api/v1/api-keys', { as, body: { ...whole, ...powers } })).status,
      403,
      `making ${what}`
    )
    for (const { id } of [parent, child.body]) {
      const path = `/api/v1/api-keys/${id}`
      t.equal((await send('PATCH', path, { as, body: powers })).status, 403, `changing ${what}`)
      t.equal((await send('PUT', path, { as, body: { ...whole, ...powers } })).status, 403, `replacing ${what}`)
      const items = [{ id, ...powers }]
      t.equal((await send('PATCH', '/api/v1/api-keys/bulk', { as, body: { items } })).status, 403, `bulk ${what}`)
    }
  }
  for (const field of ['expiresAt', 'allowedCidrs'] as const) {
    const { [field]: _, ...without } = whole
    t.equal((await send('POST', '/api/v1/api-keys', { as, body: without })).status, 403, `without ${field}`)
  }
  const less = { expiresAt: sooner, allowedCidrs: ['127.0.0.0/16', '2001:db8:1::/48'], scopes: [], tier: 'standard' }
  t.equal((await send('PATCH', `/api/v1/api-keys/${child.body.id}`, { as, body: less })).status, 200)

  const strong = await make({ scopes: ['*'] })
  const path = `/api/v1/api-keys/${strong.id}`
  const [on, off] = [{ enabled: true }, { enabled: false }]
  t.equal((await send('PATCH', path, { as, body: { enabled: false, name: 'leaked' } })).status, 200, 'off, always')
  for (const body of [on, { expiresAt: ends }, { allowedCidrs: ['127.0.0.1'] }])
    t.equal((await send('PATCH', path, { as, body })).status, 403, 'not what it could not have made')
  t.equal((await send('POST', `${path}/rotate`, { as })).status, 403)
  const wide = await make({ scopes: ['items:read'] })
  t.equal(
    (await send('POST', `/api/v1/api-keys/${wide.id}/rotate`, { as })).status,
    403,
    'nor the secret of one without end'
  )

  const { body: grandchild } = await send('POST', '/api/v1/api-keys', { as, body: whole })
  t.same([await call(parent.key), await call(grandchild.key)], [200, 200])
  await send('PATCH', `/api/v1/api-keys/${parent.id}`, { as: admin.token, body: off })
  t.same([await call(parent.key), await call(grandchild.key)], [401, 401], 'switched off with what it made')
  await send('DELETE', `/api/v1/api-keys/${parent.id}`, { as: admin.token })
  t.equal(
    (await send('GET', `/api/v1/api-keys/${grandchild.id}`, { as: admin.token })).status,
    404,
    'and revoked with it'
  )
})

t.test('a key that was revoked since its check makes no key', async (t) => {
  const guard = makeKeyGuard({ scopes: new Set(), tiers: new Map() })
  const principal = { userId: admin.id, role: 'admin', scopes: new Set(['*']), keyId: ID }
  await t.rejects(async () => guard({ db: app.db, principal, cause: { requestId: 'x' }, items: [] }), {
    code: 'UNAUTHENTICATED'
  } as never)
})

t.test('an administrator of keys does not see the secrets of other users', async (t) => {
  const scopes = ['api-keys:*', 'items:read', 'items:write', 'items:delete']
  const roles = [
    { name: 'key-desk', scopes },
    { name: 'user-desk', scopes: [...scopes, 'users:write'] }
  ]
  for (const body of roles) await send('POST', '/api/v1/roles', { as: admin.token, body })
  const [keyDesk, userDesk] = [await someone('key-desk'), await someone('user-desk')]
  const theirs = await make({}, member.token)
  const rotate = (as: string) => send('POST', `/api/v1/api-keys/${theirs.id}/rotate`, { as })
  t.match(await rotate(keyDesk.token), { status: 403, body: { error: { details: { scope: 'users:write' } } } })
  t.match(await rotate(userDesk.token), { status: 403 }, 'nor who may set passwords, but not of a member')
  t.equal(await call(theirs.key), 200, 'the key goes on as it was')
  t.equal((await rotate(admin.token)).status, 200)
  t.equal(
    (await send('PATCH', `/api/v1/api-keys/${theirs.id}`, { as: keyDesk.token, body: { tier: 'high' } })).status,
    200
  )
  const keyOfDesk = await make({ scopes: ['api-keys:*', 'items:read'] }, keyDesk.token)
  t.equal((await send('POST', `/api/v1/api-keys/${theirs.id}/rotate`, { as: keyOfDesk.key })).status, 403)
})

t.test('unknown scopes and tiers and a past expiry are refused, and the known ones are named', async (t) => {
  const faults: [object, object][] = [
    [{ scopes: ['items:raed'] }, { path: '/scopes/0', code: 'unknown', message: /items:read.*products:read/ }],
    [{ scopes: ['items:read', 'item:read'] }, { path: '/scopes/1', code: 'unknown' }],
    [{ scopes: ['items:fulfil'] }, { path: '/scopes/0', code: 'unknown' }],
    [{ tier: 'fast' }, { path: '/tier', code: 'unknown', message: 'is none: there are standard, high, unlimited' }],
    [{ tier: 'anonymous' }, { path: '/tier', code: 'unknown' }],
    [{ expiresAt: '2020-01-01T00:00:00Z' }, { path: '/expiresAt', code: 'past' }],
    [{ expiresAt: new Date().toISOString() }, { path: '/expiresAt', code: 'past' }]
  ]
  const { id } = await make()
  for (const [powers, fault] of faults) {
    const what = JSON.stringify(powers)
    const body = { name: 'x', scopes: [], ...powers }
    const refused = { status: 422, body: { details: [fault] } }
    t.match(await send('POST', '/api/v1/api-keys', { as: admin.token, body }), refused, what)
    t.match(await send('PATCH', `/api/v1/api-keys/${id}`, { as: admin.token, body: powers }), refused, what)
    t.match(await send('PUT', `/api/v1/api-keys/${id}`, { as: admin.token, body }), refused, what)
    const items = [{ id, ...powers }]
    t.equal((await send('PATCH', '/api/v1/api-keys/bulk', { as: admin.token, body: { items } })).status, 422, what)
  }
})

t.test('addresses and networks are stored in one spelling', async (t) => {
  const wrong = ['::::', '01.2.3.4', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1:2:3:4:5:6:7:8:9', '1::2::3', 'fe80::1%eth0']
  const lengths = [
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/-1',
    '1.2.3.4/08',
    '1.2.3.4/8/8',
    '::/129',
    '/8',
    '',
    ' 1.2.3.4',
    'x'
  ]
  for (const text of [...wrong, ...lengths]) {
    t.equal(parseNetwork(text), undefined, text)
    const body = { name: 'x', scopes: [], allowedCidrs: [text] }
    t.match(await send('POST', '/api/v1/api-keys', { as: admin.token, body }), {
      status: 422,
      body: { details: [{ path: '/allowedCidrs/0' }] }
    })
  }
  const spellings: [string, string][] = [
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/32', '10.1.2.3'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['2001:db8:ffff::/32', '2001:db8::/32'],
    ['::/0', '::/0'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9/120', '203.0.113.0/24'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8']
  ]
  for (const [text, wanted] of spellings) t.equal(normalizeNetwork(text), wanted, text)
  const allowedCidrs = spellings.map(([text]) => text)
  const made = await make({ allowedCidrs })
  t.same(
    made.allowedCidrs,
    spellings.map(([, wanted]) => wanted)
  )
  t.equal(await call(made.key), 200, 'every one of them can be asked')
  const path = `/api/v1/api-keys/${made.id}`
  const changed = await send('PATCH', path, { as: admin.token, body: { allowedCidrs: ['127.1.2.3/8'] } })
  t.same(changed.body.allowedCidrs, ['127.0.0.0/8'])
  t.equal((await send('PATCH', path, { as: admin.token, body: { allowedCidrs: null } })).body.allowedCidrs, null)
  const within = (outer: string, inner: string) =>
    contains(parseNetwork(outer) as Network, parseNetwork(inner) as Network)
  t.same(
    [within('10.0.0.0/8', '10.9.0.0/16'), within('::/0', '10.0.0.0/8'), within('10.0.0.0/16', '10.0.0.0/8')],
    [true, false, false]
  )
})

t.test('a user has at most a hundred keys, even when many are made at once', async (t) => {
  const { id, token } = await someone()
  const rows = Array.from({ length: 97 }, (_, index) => ({
    userId: id,
    name: 'x',
    scopes: [],
    prefix: 'x',
    hash: `${id}${index}`
  }))
  await app.db.insert(apiKeys).values(rows)
  const body = { name: 'x', scopes: [] }
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => send('POST', '/api/v1/api-keys', { as: token, body }))
  )
  t.same(answers.map(({ status }) => status).sort(), [201, 201, 201, 409, 409, 409, 409, 409])
  t.equal(await app.db.$count(apiKeys, eq(apiKeys.userId, id)), 100)
})

t.test('a rotated key overlaps with the previous one', async (t) => {
  const made = await make()
  const rotated = await send('POST', `/api/v1/api-keys/${made.id}/rotate`, { as: admin.token })
  t.equal(rotated.status, 200)
  t.equal(rotated.body.id, made.id)
  t.not(rotated.body.key, made.key)
  t.equal(await call(made.key), 200)
  t.equal(await call(rotated.body.key), 200)
  const body = { overlapSeconds: 0 }
  const again = await send('POST', `/api/v1/api-keys/${made.id}/rotate`, { as: admin.token, body })
  t.same([await call(made.key), await call(rotated.body.key), await call(again.body.key)], [401, 401, 200])
})

t.test('the last use is written in batches', async (t) => {
  const [one, two] = [await make(), await make()]
  await call(one.key)
  await call(two.key)
  await call(one.key)
  const last = async (id: string) => (await send('GET', `/api/v1/api-keys/${id}`, { as: admin.token })).body
  t.equal((await last(one.id)).lastUsedAt, null)
  await app.identity.usage.write()
  const { lastUsedAt, updatedAt, createdAt } = await last(one.id)
  t.ok(Math.abs(Date.now() - Date.parse(lastUsedAt)) < 60_000)
  t.equal(updatedAt, createdAt, 'a use is no change')
  t.ok((await last(two.id)).lastUsedAt)
  await app.identity.usage.write()
})

t.test('a last use that could not be written is written later', async (t) => {
  const { id } = await make()
  let isDown = true
  const flaky = new Proxy(app.db, {
    get(db, name) {
      if (isDown) throw new Error('down')
      return Reflect.get(db, name, db).bind(db)
    }
  })
  const usage = new KeyUsage(flaky)
  usage.mark(id)
  await t.rejects(usage.write(), /down/)
  isDown = false
  await usage.close()
  const [row] = await app.db.select({ at: apiKeys.lastUsedAt }).from(apiKeys).where(eq(apiKeys.id, id))
  t.ok(row?.at)
})

t.test('two credentials are 400, and one of another kind 401', async (t) => {
  const { key } = await make()
  const statuses = async (headers: Record<string, string>) => (await send('GET', '/api/v1/items', { headers })).status
  t.equal(await statuses({ 'x-api-key': key, authorization: `Bearer ${key}` }), 400)
  t.equal(await statuses({ authorization: `Basic ${key}` }), 401)
  t.equal(await statuses({ 'x-api-key': member.token }), 401)
  t.equal(await statuses({ 'x-api-key': '' }), 401)
  t.equal(await statuses({ authorization: '' }), 401)
  t.equal(await statuses({ authorization: `bearer ${key}` }), 200, 'the scheme is written in any case')
})

t.test('an address that sends only bad credentials blocks no valid key, and only delays tokens', async (t) => {
  const [{ key }, { key: unseen }] = [await make(), await make()]
  const ip = '198.51.100.1'
  t.equal(await call(key, ip), 200)
  for (let count = 0; count < 600; count += 1) await call('tn_test_wrong', ip)
  t.equal(await call('tn_test_wrong', ip), 401)
  t.equal(await call(key, ip), 200)
  t.equal(await call(unseen, ip), 200, 'a key at its first use')
  const tokenAt = (remoteAddress: string) =>
    app.inject({ url: '/api/v1/items', headers: { authorization: 'Bearer a.b.c' }, remoteAddress })
  const answers = await Promise.all(Array.from({ length: 300 }, () => tokenAt(ip)))
  const refused = answers.filter(({ statusCode }) => statusCode === 429)
  t.ok(refused.length > 0 && refused.length < 300, `${refused.length} of 300 were not looked at`)
  t.equal(refused[0]?.headers['retry-after'], '1')
  t.equal((await tokenAt('198.51.100.2')).statusCode, 401)
})
