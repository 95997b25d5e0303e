import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import { type Answered, startApp } from '#test/support/app.ts'

const REDIS_URL = process.env.TEST_REDIS_URL
const few = JSON.stringify({
  anonymous: [{ limit: 3, seconds: 60 }],
  standard: [
    { limit: 5, seconds: 60 },
    { limit: 8, seconds: 3600 }
  ]
})
const start = (t: Test, more: Record<string, string> = {}) => startApp(t, { RATE_LIMIT_TIERS: few, ...more })
const path = '/api/v1/products'

// A login is an anonymous request too, so each test takes an address of its own behind the trusted proxy.
let addresses = 0
function newAddress(): Record<string, string> {
  addresses += 1
  return { 'x-forwarded-for': `192.0.2.${addresses}` }
}
const behindProxy = { TRUST_PROXY: '127.0.0.1' }

async function repeat(count: number, call: () => Promise<Answered>): Promise<number[]> {
  const statuses: number[] = []
  for (let index = 0; index < count; index += 1) statuses.push((await call()).status)
  return statuses
}

t.test('an address without a credential has a number of requests, and is told how many are left', async (t) => {
  const { send } = await start(t, behindProxy)
  const headers = newAddress()
  t.match((await send('GET', path, { headers })).headers, {
    'ratelimit-policy': '"anonymous";q=3;w=60',
    ratelimit: /^"anonymous";r=2;t=(60|59)$/
  })
  t.same(await repeat(3, () => send('GET', path, { headers })), [200, 200, 429])
  const refused = await send('GET', path, { headers })
  t.match(refused, {
    status: 429,
    headers: { 'retry-after': /^\d+$/, ratelimit: /r=0/ },
    body: { error: { code: 'TOO_MANY_REQUESTS' } }
  })
  t.equal((await send('GET', path, { headers: newAddress() })).status, 200, 'another address is not concerned')
})

t.test('unknown paths and refused credentials count for the address', async (t) => {
  const { send } = await start(t, behindProxy)
  const headers = newAddress()
  t.same(await repeat(4, () => send('GET', '/nothing', { headers })), [404, 404, 404, 429])
  const address = newAddress()
  const forged = { ...address, authorization: 'Bearer forged' }
  const answers = await repeat(3, () => send('GET', path, { headers: forged }))
  t.same(answers, [401, 401, 401])
  t.equal((await send('GET', path, { headers: address })).status, 429)
})

t.test('probes pass when their address has no requests left, and do not count', async (t) => {
  const { send } = await start(t, behindProxy)
  const headers = newAddress()
  for (const probe of ['/livez', '/readyz'])
    t.same(await repeat(4, () => send('GET', probe, { headers })), [200, 200, 200, 200], probe)
  t.equal((await send('HEAD', '/livez', { headers })).headers['ratelimit-policy'], undefined)
  t.same(await repeat(4, () => send('GET', path, { headers })), [200, 200, 200, 429])
  t.equal((await send('GET', '/livez', { headers })).status, 200)
  t.equal((await send('GET', '/openapi.json', { headers })).status, 429, 'what else lies in memory is no probe')
})

t.test('a user has one account from every address, and all windows hold', async (t) => {
  const { send, someone } = await start(t, behindProxy)
  const ada = await someone()
  const call = () => send('GET', path, { as: ada.token, headers: newAddress() })
  const first = await call()
  t.match(first.headers, {
    'ratelimit-policy': '"standard-60s";q=5;w=60, "standard-3600s";q=8;w=3600',
    ratelimit: /^"standard-60s";r=4;t=\d+, "standard-3600s";r=7;t=\d+$/
  })
  t.same(await repeat(6, call), [200, 200, 200, 200, 429, 429])
})

t.test('a 304 is free', async (t) => {
  const { send, someone } = await start(t, behindProxy)
  const admin = await someone('admin')
  const { body } = await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'Kept' } })
  const one = `/api/v1/categories/${body.id}`
  const { etag } = (await send('GET', one, { headers: newAddress() })).headers
  const headers = { ...newAddress(), 'if-none-match': etag as string }
  t.match(await send('GET', one, { headers }), { status: 304, headers: { ratelimit: /r=3/ } })
  const answers = await repeat(7, () => send('GET', one, { headers }))
  t.same(answers, [304, 304, 304, 304, 304, 429, 429], 'as often as requests are allowed, and then like others')
  const any = { ...newAddress(), 'if-none-match': '*' }
  t.same(await repeat(4, () => send('GET', one, { headers: any })), [304, 304, 304, 429], '`*` is no tag that was read')
})

t.test('reads that cost the database more count for more', async (t) => {
  const tiers = JSON.stringify({ anonymous: [{ limit: 100, seconds: 60 }] })
  const { send } = await start(t, { ...behindProxy, RATE_LIMIT_TIERS: tiers })
  for (const [url, left] of [
    [path, 99],
    [`${path}?q=walnut`, 95],
    [`${path}?name=q=x`, 99],
    [`${path}?include=category`, 99],
    [`${path}?include=category.a,category%2Eb`, 95],
    [`${path}/aggregate`, 90],
    [`${path}/aggregate?q=walnut`, 86],
    [`${path}/export`, 80]
  ] as const) {
    const { headers } = await send('GET', url, { headers: newAddress() })
    t.match(headers.ratelimit, new RegExp(`r=${left};`), url)
  }
  const small = await start(t, behindProxy)
  const headers = newAddress()
  const both = await repeat(2, () => small.send('GET', `${path}/export`, { headers }))
  t.same(both, [200, 429], 'more than a whole window is all of it')
})

t.test('a key has its own tier; unlimited has no limit and no headers', async (t) => {
  const { app, send, someone } = await start(t, behindProxy)
  const admin = await someone('admin')
  const body = { name: 'load test', scopes: ['products:read'], tier: 'unlimited' }
  const { key } = (await send('POST', '/api/v1/api-keys', { as: admin.token, body })).body
  const call = () => send('GET', path, { headers: { ...newAddress(), 'x-api-key': key } })
  t.same(new Set(await repeat(20, call)), new Set([200]))
  t.notOk('ratelimit' in (await call()).headers)
  const { body: gone } = await send('POST', '/api/v1/api-keys', { as: admin.token, body: { ...body, tier: 'high' } })
  await app.db.update(apiKeys).set({ tier: 'no-such-tier' }).where(eq(apiKeys.id, gone.id))
  await app.identity.principals.catchUp()
  const asStandard = await send('GET', path, { headers: { ...newAddress(), 'x-api-key': gone.key } })
  t.match(asStandard.headers.ratelimit, /^"standard-60s"/, 'a tier that is no longer configured')
})

t.test('keys share the account of their user, and no other', async (t) => {
  const { send, someone } = await start(t, behindProxy)
  const [ada, bob] = [await someone(), await someone()]
  const makeKey = async (as: string) =>
    (await send('POST', '/api/v1/api-keys', { as, body: { name: 'k', scopes: [] } })).body.key as string
  const keys = [await makeKey(ada.token), await makeKey(ada.token)]
  const other = await makeKey(bob.token)
  const call = (key: string) => send('GET', path, { headers: { ...newAddress(), 'x-api-key': key } })
  // Making the two keys cost two of five.
  t.same(await repeat(2, () => call(keys[0] as string)), [200, 200])
  t.same(await repeat(2, () => call(keys[1] as string)), [200, 429])
  t.equal((await call(other)).status, 200)
})

t.test('there is no limit where limits are switched off', async (t) => {
  const { send } = await start(t, { RATE_LIMIT_ENABLED: 'false' })
  t.same(new Set(await repeat(10, () => send('GET', path))), new Set([200]))
})

t.test('while Redis is away the limit is local and the API works', async (t) => {
  const { send } = await start(t, { ...behindProxy, REDIS_URL: 'redis://127.0.0.1:1' })
  const headers = newAddress()
  t.same(await repeat(4, () => send('GET', path, { headers })), [200, 200, 200, 429])
})

t.test('instances with one Redis count together', { skip: REDIS_URL ? false : 'needs a Redis' }, async (t) => {
  const more = { ...behindProxy, REDIS_URL: REDIS_URL as string }
  const instances = [await start(t, more), await start(t, more), await start(t, more)]
  for (const { app } of instances) await app.redis?.ping().catch(() => app.redis?.connect())
  const headers = { 'x-forwarded-for': `2001:db8:${process.pid.toString(16)}:1::1` }
  const statuses: number[] = []
  for (const { send } of [...instances, ...instances]) statuses.push((await send('GET', path, { headers })).status)
  t.same(statuses, [200, 200, 200, 429, 429, 429])
  const neighbour = { 'x-forwarded-for': `2001:db8:${process.pid.toString(16)}:1::2` }
  t.equal(
    (await instances[0]?.send('GET', path, { headers: neighbour }))?.status,
    429,
    'one IPv6 prefix is one address'
  )
})
