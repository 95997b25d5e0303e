import t from 'tap'
import type { Database, Listen } from '#src/db/database.ts'
import { startHousekeeping } from '#src/identity/housekeeping.ts'
import { LoginThrottle } from '#src/identity/passwords/login-throttle.ts'
import { ChangeWatch } from '#src/identity/requests/change-watch.ts'
import { FailureThrottle } from '#src/identity/requests/failure-throttle.ts'
import { InvalidatedCache } from '#src/identity/requests/invalidated-cache.ts'
import { configuredKeys, KeyRing, rotateKeys, sharedKeys } from '#src/identity/tokens/signing-keys.ts'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)

t.test('a cache keeps what it read, but not what changed while it was read', async (t) => {
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
  'a watch goes on without a listener, replaces a deaf one, and stops believing when it cannot look',
  async (t) => {
    const times = { pollMs: 5, aloneMs: 5, staleMs: 200, deafMs: 0 }
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

t.test('the changes of long ago are forgotten', async (t) => {
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

t.test('who guesses must wait longer each time, and who knows the password gets in', async (t) => {
  let now = 0
  const held: number[] = []
  const brake = new LoginThrottle(
    () => now,
    async (ms) => void held.push(ms)
  )
  const fail = (account: string, address: string) => brake.failed(account, address)
  for (let count = 0; count < 9; count += 1) fail('ada', 'a')
  await brake.admit('ada', 'a')
  const waits: number[] = []
  for (let count = 0; count < 8; count += 1) {
    fail('ada', 'a')
    const error = await brake.admit('ada', 'a').catch((error) => error)
    waits.push(Number(error.headers['retry-after']))
    t.equal(error.statusCode, 429)
  }
  t.same(waits, [1, 2, 4, 8, 16, 30, 30, 30])
  await brake.admit('ada', 'b')
  now += 30_000
  await brake.admit('ada', 'a')
  brake.succeeded('ada', 'a')

  for (let count = 0; count < 40; count += 1) fail('ada', `many-${count}`)
  await brake.admit('ada', 'a')
  t.same(held, [], 'a known address is not held up')
  await brake.admit('ada', 'new')
  t.same(held, [1000], 'a new one a little')

  for (let count = 0; count < 100; count += 1) fail(`user-${count}`, 'z')
  await t.rejects(brake.admit('somebody', 'z'), { code: 'TOO_MANY_REQUESTS' } as never)
  brake.succeeded('eve', 'z')
  await brake.admit('eve', 'z')
})

t.test('what is counted of strangers is bounded', async (t) => {
  const brake = new LoginThrottle(() => 0)
  const failures = new FailureThrottle(() => 0)
  for (let count = 0; count < 50_010; count += 1) {
    brake.failed(`u${count}`, `a${count}`)
    failures.count(`a${count}`)
  }
  for (let count = 0; count < 600; count += 1) failures.count('x')
  t.throws(() => failures.check('x'), { code: 'TOO_MANY_REQUESTS' } as never)
  failures.check('a1')
})

t.test('failures are forgotten after a minute', async (t) => {
  let now = 0
  const failures = new FailureThrottle(() => now)
  for (let count = 0; count < 600; count += 1) failures.count('x')
  t.throws(() => failures.check('x'), { code: 'TOO_MANY_REQUESTS' } as never)
  now = 60_000
  failures.check('x')
  failures.count('x')
  now = 130_000
  failures.count('x')
  failures.check('x')
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

t.test('a configured key signs, those behind it are believed', async (t) => {
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

t.test('every hour what is over is forgotten, and a failure is tried again', async (t) => {
  const { sessions } = await import('#src/identity/tables/sessions.ts')
  const { eq, sql } = await import('drizzle-orm')
  const { id } = await someone()
  await app.db.update(sessions).set({ expiresAt: sql`now() - interval '1 second'` }).where(eq(sessions.userId, id))
  let failures = 2
  const flaky = new Proxy(app.db, {
    get(db, name) {
      failures -= 1
      if (failures >= 0) throw new Error('down')
      return Reflect.get(db, name, db).bind(db)
    }
  })
  const stop = startHousekeeping(flaky, 1, { afterSeconds: 1e9, headStartSeconds: 0, tokenSeconds: 600 })
  let left = 1
  while (left > 0) {
    // The embedded database answers without giving timers a turn.
    await new Promise(setImmediate)
    left = (await app.db.select().from(sessions).where(eq(sessions.userId, id))).length
  }
  stop()
  t.ok(failures < 0)
})
