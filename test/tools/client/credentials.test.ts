import t, { type Test } from 'tap'
import { call } from '#src/tools/client/runtime/call.ts'
import { createClient } from '#src/tools/client/runtime/client.ts'
import { apiKey, bearer, type LoginOptions, login, type Tokens } from '#src/tools/client/runtime/credentials.ts'
import { startService } from '#test/support/service.ts'

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error) => error
  )
const user = { email: 'ada@example.com', password: 'correct' }

/** A server that knows logins: each token is good until `expire`, each refresh token for one use. */
async function loginServer(test: Test, { expiresIn = 600, hasFactor = false } = {}) {
  let made = 0
  let valid = { access: '', refresh: '' }
  let losesAnswer = false
  const answers = new Map<string, string>()
  const service = await startService(test, (response, { method, url, headers, body }) => {
    const answer = (status: number, json: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
    const refuse = (code: string) => answer(401, { error: { code, message: code, details: { challenge: 'tnc' } } })
    if (method === 'POST' && url.startsWith('/api/v1/auth/')) {
      const key = headers['idempotency-key'] as string
      const known = answers.get(key)
      if (known !== undefined) return response.writeHead(200, { 'content-type': 'application/json' }).end(known)
      const sent = JSON.parse(body)
      if (url.endsWith('/logout')) return response.writeHead(204).end()
      if (url.endsWith('/refresh') && sent.refreshToken !== valid.refresh) return refuse('UNAUTHENTICATED')
      if (url.endsWith('/login') && sent.password !== 'correct') return refuse('UNAUTHENTICATED')
      if (url.endsWith('/login') && hasFactor) return refuse('SECOND_FACTOR_REQUIRED')
      if (url.endsWith('/second-factor') && (sent.challenge !== 'tnc' || sent.code !== '123456'))
        return refuse('UNAUTHENTICATED')
      made += 1
      valid = { access: `access-${made}`, refresh: `refresh-${made}` }
      const tokens = { accessToken: valid.access, refreshToken: valid.refresh, expiresIn }
      answers.set(key, JSON.stringify(tokens))
      if (!losesAnswer) return answer(200, tokens)
      losesAnswer = false
      return response.destroy()
    }
    if (headers.authorization !== `Bearer ${valid.access}`) return refuse('UNAUTHENTICATED')
    return answer(200, {})
  })
  return {
    ...service,
    paths: () => service.seen.map(({ url }) => url.replace('/api/v1', '')),
    expire: () => {
      valid.access = ''
    },
    end: () => {
      valid = { access: '', refresh: '' }
    },
    loseAnswer: () => {
      losesAnswer = true
    }
  }
}

function userOf(origin: string, options: LoginOptions) {
  const credential = login(options)
  const client = createClient({ baseUrl: origin, credential })
  return { client, credential, read: () => call(client, { method: 'GET', path: '/a' }) }
}

t.test('keys and tokens of others', async (t) => {
  const { origin, seen } = await startService(t, (response) => void response.end())
  const read = (credential: ReturnType<typeof apiKey>) =>
    call(createClient({ baseUrl: origin, credential }), { method: 'GET', path: '/' })
  await read(apiKey('tn_live_1'))
  await read(bearer('one'))
  await read(bearer(async () => 'two'))
  t.match(
    seen.map(({ headers }) => headers),
    [{ 'x-api-key': 'tn_live_1' }, { authorization: 'Bearer one' }, { authorization: 'Bearer two' }]
  )
})

t.test('a key that is refused is not sent again', async (t) => {
  const { origin, seen } = await startService(t, (response) => void response.writeHead(401).end())
  const client = createClient({ baseUrl: origin, credential: apiKey('tn_live_1') })
  t.match(await failureOf(call(client, { method: 'GET', path: '/' })), { code: 'HTTP_401' })
  t.equal(seen.length, 1)
})

t.test('calls at once share one login, and later one renewal', async (t) => {
  const { origin, paths, expire } = await loginServer(t)
  const kept: (Tokens | undefined)[] = []
  const { read } = userOf(origin, { ...user, onTokens: (tokens) => void kept.push(tokens) })
  await Promise.all([read(), read(), read()])
  t.same(paths(), ['/auth/login', '/a', '/a', '/a'])
  expire()
  await Promise.all([read(), read(), read()])
  t.equal(paths().filter((path) => path === '/auth/refresh').length, 1)
  t.match(kept, [{ refreshToken: 'refresh-1' }, { refreshToken: 'refresh-2', renewAt: Number }])
})

t.test('a call with a token that was renewed meanwhile is sent with the new one', async (t) => {
  const { origin, expire, paths } = await loginServer(t)
  const { client, credential, read } = userOf(origin, user)
  await read()
  const old = await credential.headers(client, false, undefined)
  expire()
  await read()
  t.equal(await credential.renew?.(client, old as { authorization: string }, undefined), true)
  t.equal(paths().filter((path) => path === '/auth/refresh').length, 1)
})

t.test('a token is renewed before it expires', async (t) => {
  const { origin, paths } = await loginServer(t, { expiresIn: 0 })
  const { read } = userOf(origin, user)
  await read()
  await read()
  t.same(paths(), ['/auth/login', '/a', '/auth/refresh', '/a'])
})

t.test('a lost answer to a renewal is asked for with the same key, so that it does not end the login', async (t) => {
  const { origin, seen, expire, loseAnswer, paths } = await loginServer(t)
  const { read } = userOf(origin, { ...user, password: 'correct' })
  await read()
  expire()
  loseAnswer()
  await read()
  t.same(paths(), ['/auth/login', '/a', '/a', '/auth/refresh', '/auth/refresh', '/a'])
  t.equal(seen[3]?.headers['idempotency-key'], seen[4]?.headers['idempotency-key'])
})

t.test('a login that has ended begins anew with a password, and without one says so', async (t) => {
  const { origin, paths, end } = await loginServer(t)
  const { read } = userOf(origin, user)
  await read()
  end()
  await read()
  t.same(paths(), ['/auth/login', '/a', '/a', '/auth/refresh', '/auth/login', '/a'])
  const kept: unknown[] = []
  const tokens = { accessToken: 'old', refreshToken: 'old', renewAt: Date.now() + 60_000 }
  const restored = userOf(origin, { tokens, onTokens: (now) => void kept.push(now) })
  t.match(await failureOf(restored.read()), { code: 'UNAUTHENTICATED' })
  t.same(kept, [undefined])
})

t.test('a renewal that fails for another reason keeps the login', async (t) => {
  const { origin } = await startService(t, (response) => void response.writeHead(500).end())
  const kept: unknown[] = []
  const tokens = { accessToken: 'a', refreshToken: 'b', renewAt: 0 }
  const { read } = userOf(origin, { tokens, onTokens: (now) => void kept.push(now) })
  t.match(await failureOf(read()), { status: 500 })
  t.same(kept, [])
})

t.test('a wrong password, and a second factor', async (t) => {
  const { origin } = await loginServer(t, { hasFactor: true })
  t.match(await failureOf(userOf(origin, { ...user, password: 'wrong', secondFactor: () => '' }).read()), {
    status: 401
  })
  t.match(await failureOf(userOf(origin, user).read()), { code: 'SECOND_FACTOR_REQUIRED' })
  t.same(await userOf(origin, { ...user, secondFactor: () => '123456' }).read(), {})
})

t.test('what is public is not preceded by a login, and takes a token that is at hand', async (t) => {
  const { origin, seen, paths } = await loginServer(t)
  const { client, credential, read } = userOf(origin, user)
  const register = () => call(client, { method: 'PUT', path: '/public', credential: 'at hand' })
  t.match(await failureOf(register()), { status: 401 })
  t.same(paths(), ['/public'])
  await read()
  await register()
  t.equal(seen.at(-1)?.headers.authorization, 'Bearer access-1')
  await credential.logout(client)
  await credential.logout(client)
  t.same(paths().slice(-2), ['/public', '/auth/logout'])
  t.equal(seen.at(-1)?.body, '{"refreshToken":"refresh-1"}')
})
