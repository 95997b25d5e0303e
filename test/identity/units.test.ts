import t from 'tap'
import { runInScope } from '#src/concurrency/request-scope.ts'
import type { Database, Listen } from '#src/db/database.ts'
import { sessionOf } from '#src/identity/access.ts'
import { LoginThrottle } from '#src/identity/passwords/login-throttle.ts'
import { ChangeWatch } from '#src/identity/requests/change-watch.ts'
import { FailureThrottle } from '#src/identity/requests/failure-throttle.ts'
import { InvalidatedCache } from '#src/identity/requests/invalidated-cache.ts'
import { addressOf, networkOf } from '#src/identity/requests/network.ts'
import { admitNetwork, REGISTRATIONS } from '#src/identity/requests/network-throttle.ts'
import { originOf } from '#src/identity/sessions/origin.ts'
import { startKeyRotation } from '#src/identity/tokens/key-rotation.ts'
import { configuredKeys, KeyRing, rotateKeys, sharedKeys } from '#src/identity/tokens/signing-keys.ts'
import { WindowStore } from '#src/limits/window-store.ts'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)

t.test('a cache keeps a value, but not one that changed while it was read', async (t) => {
  const reads: string[] = []
  let answer = Promise.withResolvers<string | undefined>()
  const find = (key: string) => {
    reads.push(key)
    return answer.promise
  }
  let isFresh = true
  const cache = new InvalidatedCache(find, 2, () => isFresh)
  const both = [cache.load('a'), cache.load('a')]
  answer.resolve('first')
  t.same(await Promise.all(both), ['first', 'first'])
  t.same(reads, ['a'], 'those who ask at once share a look')
  t.equal(cache.get('a'), 'first')
  isFresh = false
  t.equal(cache.get('a'), undefined)
  isFresh = true
  cache.drop('a')

  answer = Promise.withResolvers()
  const stale = cache.load('a')
  cache.drop('a')
  answer.resolve('before the change')
  t.equal(await stale, 'before the change')
  t.equal(cache.get('a'), undefined)

  answer = Promise.withResolvers()
  const cleared = cache.load('b')
  cache.clear()
  answer.resolve('b')
  await cleared
  t.equal(cache.get('b'), undefined)

  for (const key of ['1', '2', '3']) await cache.load(key)
  t.equal(cache.get('1'), undefined, 'the oldest made room')
  t.equal(cache.get('3'), 'b')
  answer = Promise.withResolvers()
  answer.resolve(undefined)
  t.equal(await cache.load('none'), undefined)
  answer = Promise.withResolvers()
  answer.reject(new Error('down'))
  await t.rejects(cache.load('x'), /down/)
})

t.test(
  'a watch works without a listener, replaces a stalled one, and stops trusting the cache when it cannot poll',
  async (t) => {
    const times = { pingMs: 5, aloneMs: 5, staleMs: 2000, deafMs: 0 }
    const heard: (string | undefined)[] = []
    let listens = 0
    let tell: (text: string) => void = () => {}
    const listen: Listen = async (_channel, onMessage) => {
      listens += 1
      if (listens === 1) throw new Error('refused')
      tell = onMessage
      return { close: async () => {} }
    }
    let isDown = false
    const db = new Proxy(app.db, {
      get(db, name) {
        if (isDown) throw new Error('down')
        return Reflect.get(db, name, db).bind(db)
      }
    }) as Database
    const watch = new ChangeWatch(db, listen, (subject) => void heard.push(subject), times)
    t.equal(watch.isFollowing, false)
    await watch.start()
    t.equal(watch.isFollowing, true)
    const someoneElse = await someone()
    const admin = await someone('admin')
    await send('PATCH', `/api/v1/users/${someoneElse.id}`, { as: admin.token, body: { active: false } })
    while (!heard.includes(`user:${someoneElse.id}`)) await new Promise(setImmediate)
    while (listens < 3) await new Promise(setImmediate)
    tell('key:one')
    tell('ping:somebody else')
    t.ok(heard.includes('key:one'))
    t.notOk(heard.includes('ping:somebody else'))
    isDown = true
    while (watch.isFollowing) await new Promise(setImmediate)
    const before = heard.length
    isDown = false
    while (!watch.isFollowing) await new Promise(setImmediate)
    t.ok(heard.slice(before).includes(undefined), 'anything may have changed meanwhile')
    await watch.close()
  }
)

t.test(
  'without requests no statement is sent, and the cache is not trusted until every missed change was read',
  async (t) => {
    let statements = 0
    const counting = new Proxy(app.db, {
      get(db, name) {
        if (name === 'select') statements += 1
        return Reflect.get(db, name, db).bind(db)
      }
    }) as Database
    const heard: (string | undefined)[] = []
    const times = { pingMs: 1, staleMs: 60_000, deafMs: 60_000, idleMs: 20 }
    const watch = new ChangeWatch(counting, app.listenToDatabase, (subject) => void heard.push(subject), times)
    await watch.start()
    t.ok(watch.isFollowing)
    while (!watch.isAsleep) await new Promise(setImmediate)
    const before = statements
    const someoneElse = await someone()
    const admin = await someone('admin')
    await send('PATCH', `/api/v1/users/${someoneElse.id}`, { as: admin.token, body: { active: false } })
    t.equal(statements, before, 'it sleeps')
    heard.length = 0
    const leaving = { socket: { destroyed: true }, endsAt: 0 }
    t.equal(
      runInScope(leaving, () => watch.isFollowing),
      false
    )
    t.equal(watch.isAsleep, false, 'a caller that leaves wakes it all the same')
    while (!watch.isFollowing) await new Promise(setImmediate)
    t.equal(heard[0], undefined, 'anything may have changed meanwhile')
    await watch.close()

    let rounds = 0
    const isIdle = () => {
      rounds += 1
      return true
    }
    const stop = startKeyRotation(counting, isIdle, 1)
    while (rounds < 3) await new Promise(setImmediate)
    stop()
  }
)

t.test('old changes are deleted', async (t) => {
  const { forgetChanges, readChanges } = await import('#src/identity/requests/identity-changes.ts')
  const { identityChanges } = await import('#src/identity/tables/identity-changes.ts')
  const { sql } = await import('drizzle-orm')
  await app.db.update(identityChanges).set({ at: sql`now() - interval '2 hours'` })
  await forgetChanges(app.db)
  t.same(await readChanges(app.db, 0), [])

  await app.db.insert(identityChanges).values({ subject: 'user:long ago', at: sql`now() - interval '2 hours'` })
  const watch = new ChangeWatch(app.db, app.listenToDatabase, () => {})
  while ((await app.db.$count(identityChanges)) > 0) await watch.catchUp()
  t.pass('the watch does it now and then')
  await watch.close()
})

t.test('a try is counted when it begins, and given back when it was right or not made', async (t) => {
  let now = 0
  const limits = {
    pair: { tries: 3, seconds: 60 },
    network: { tries: 5, seconds: 60 },
    account: { tries: 5, seconds: 60 }
  }
  const asked: string[] = []
  const find = async (account: string) => {
    asked.push(account)
    return new Set(['9.9.9.9'])
  }
  const throttle = new LoginThrottle(new WindowStore(() => now), 'x', limits, find)
  let checks = 0
  const attempt = (account: string, address: string, result?: string | Error) =>
    throttle.attempt(account, address, async () => {
      checks += 1
      await new Promise(setImmediate)
      if (result instanceof Error) throw result
      return result
    })
  const refused = { code: 'TOO_MANY_REQUESTS', headers: { 'retry-after': '60' } } as never
  const flood = (make: (index: number) => Promise<unknown>) =>
    Promise.allSettled(Array.from({ length: 120 }, (_, i) => make(i)))

  await flood(() => attempt('ada', '1.1.1.1'))
  t.equal(checks, 3, 'of many at once as many are checked as one after the other')
  await t.rejects(attempt('ada', '1.1.1.1', 'right'), refused)
  await flood((index) => attempt('ada', `2.2.2.${index}`))
  t.equal(checks, 5, 'of one account from many addresses')
  await t.rejects(attempt('ada', '3.3.3.3', 'right'), refused)
  t.equal(await attempt('ada', '9.9.9.9', 'right'), 'right', 'its user gets in from where they logged in before')
  t.same(new Set(asked), new Set(['ada']))
  const looks = asked.length
  await t.rejects(attempt('ada', '3.3.3.3', 'right'), refused)
  t.equal(asked.length, looks, 'a refusal needs no second look')

  checks = 0
  await flood((index) => attempt(`user-${index}`, `2001:db8:0:1:${index}::1`))
  t.equal(checks, 5, 'of a whole /64')
  now += 60_000
  checks = 0
  for (let count = 0; count < 10; count += 1) await attempt('eve', '1.1.1.1', 'right')
  for (let count = 0; count < 10; count += 1) await t.rejects(attempt('eve', '1.1.1.1', new Error('full')), /full/)
  for (let count = 0; count < 2; count += 1) await attempt('eve', '1.1.1.1')
  await attempt('eve', '1.1.1.1', 'right')
  for (let count = 0; count < 2; count += 1) await attempt('eve', '1.1.1.1')
  t.equal(checks, 25, 'who knows the password is forgiven')
  const off = new LoginThrottle(undefined, 'x', limits, find)
  for (let count = 0; count < 10; count += 1) t.equal(await off.attempt('a', '1.1.1.1', async () => 'in'), 'in')
})

t.test('a network makes a bounded number of accounts an hour', async (t) => {
  const windows = new WindowStore(() => 0)
  for (let count = 0; count < REGISTRATIONS.most; count += 1)
    await admitNetwork(windows, REGISTRATIONS, `2001:db8::${count}`)
  await t.rejects(admitNetwork(windows, REGISTRATIONS, '2001:db8::ffff'), {
    code: 'TOO_MANY_REQUESTS',
    headers: { 'retry-after': '3600' }
  } as never)
  await admitNetwork(windows, REGISTRATIONS, '2001:db8:0:1::1')
  await admitNetwork(undefined, REGISTRATIONS, '2001:db8::ffff')
})

t.test('an address has one spelling, and a /64 of IPv6 counts as one client', async (t) => {
  const networks: [string, string | undefined, string][] = [
    ['203.0.113.7', '203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7:4711', '203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7', '203.0.113.7'],
    ['[2001:DB8::1]:443', '2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::1', 'fe80:0:0:0::/64'],
    ['::1', '::1', '0:0:0:0::/64'],
    ['"} {"level":60', undefined, 'unknown'],
    ['', undefined, 'unknown']
  ]
  for (const [text, address, network] of networks) t.same([addressOf(text), networkOf(text)], [address, network], text)
})

t.test('what is no address is no origin of a login, and a principal without a login has none', async (t) => {
  const unknown = { ip: 'unknown', headers: { 'user-agent': 'a\u0000b' } }
  t.same(originOf(unknown), { clientId: null, ip: null, userAgent: null })
  t.throws(() => sessionOf(null), { code: 'FORBIDDEN' })
})

t.test('beyond 600 refused credentials of a network signatures are checked at a bounded rate', async (t) => {
  let now = 0
  const failures = new FailureThrottle(() => now)
  for (let count = 0; count < 600; count += 1) failures.count(`2001:db8::${count}`)
  const admitted = () => {
    let count = 0
    try {
      for (; count < 1000; count += 1) failures.admitSignature('2001:db8::1')
    } catch (error) {
      t.match(error, { code: 'TOO_MANY_REQUESTS', headers: { 'retry-after': '1' } })
    }
    return count
  }
  t.equal(admitted(), 100)
  failures.admitSignature('2001:db8:0:1::1')
  now += 1000
  t.equal(admitted(), 100)
  now += 60_000
  t.equal(admitted(), 1000, 'forgotten after a minute')
  failures.count('2001:db8::1')
  t.equal(admitted(), 1000)
})

t.test('a signing key is replaced with an overlap, once for all instances', async (t) => {
  const { keys } = app.identity
  const before = keys.current.kid
  const { token } = await someone()
  const young = { afterSeconds: 3600, headStartSeconds: 0, tokenSeconds: 600 }
  t.equal(await rotateKeys(app.db, young), false)
  const now = { ...young, afterSeconds: -1 }
  t.equal(await rotateKeys(app.db, now), true)
  while (keys.current.kid === before) await new Promise(setImmediate)
  t.equal(keys.jwks.keys.length, 2)
  t.equal((await send('GET', '/api/v1/users/me', { as: token })).status, 200, 'the tokens of the old key go on')
  const { token: next } = await someone()
  t.equal((await send('GET', '/api/v1/users/me', { as: next })).status, 200)
  t.equal((await sharedKeys(app.db)).length, 2)
  const ahead = { ...now, headStartSeconds: 3600 }
  const current = keys.current.kid
  t.equal(await rotateKeys(app.db, ahead), true)
  while (keys.jwks.keys.length < 3) await new Promise(setImmediate)
  t.equal(keys.current.kid, current, 'a new one is published before it signs')
})

t.test('signing keys that cannot be read after a change stay as they were', async (t) => {
  const { identityChanges } = await import('#src/identity/tables/identity-changes.ts')
  const { keys, principals } = app.identity
  let reads = 0
  t.teardown(() => Reflect.deleteProperty(keys, 'refresh'))
  keys.refresh = () => {
    reads += 1
    return Promise.reject(new Error('down'))
  }
  await app.db.insert(identityChanges).values({ subject: 'signing-key:another' })
  await principals.catchUp()
  t.ok(reads > 0)
  const { token } = await someone()
  t.equal((await send('GET', '/api/v1/users/me', { as: token })).status, 200)
})

t.test('a configured key signs, and the ones after it only verify', async (t) => {
  const [one, two] = await Promise.all([makePem(), makePem()])
  const ring = new KeyRing(() => configuredKeys(`${one}\n${two}`))
  await ring.refresh()
  t.equal(ring.jwks.keys.length, 2)
  t.equal(ring.current.kid, (await configuredKeys(one))[0]?.kid)
  const broken = new KeyRing(() => Promise.reject(new Error('down')))
  t.equal(await broken.find('x'), undefined)
  const own = await startApp(t, { JWT_PRIVATE_KEY: one })
  const { token } = await own.someone()
  t.equal((await own.send('GET', '/api/v1/users/me', { as: token })).status, 200)
})

async function makePem(): Promise<string> {
  const { generateKeyPairSync } = await import('node:crypto')
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

t.test('signing keys are replaced every hour, and a failure is tried again', async (t) => {
  const { signingKeys } = await import('#src/identity/tables/signing-keys.ts')
  const before = await app.db.$count(signingKeys)
  let failures = 2
  const flaky = new Proxy(app.db, {
    get(db, name) {
      failures -= 1
      if (failures >= 0) throw new Error('down')
      return Reflect.get(db, name, db).bind(db)
    }
  })
  const stop = startKeyRotation(flaky, () => false, 1, { afterSeconds: -7200, headStartSeconds: 0, tokenSeconds: 600 })
  // The embedded database answers before timers get a turn.
  while ((await app.db.$count(signingKeys)) <= before) await new Promise(setImmediate)
  stop()
  t.ok(failures < 0)
})
