import t from 'tap'
import { type Send, startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { declaredResources, has, newBody } from '#test/support/resources.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const all = declaredResources(app)
const VARY = 'Accept, Accept-Encoding, Authorization, Origin, X-API-Key'
const PUBLIC = 'public, max-age=0, must-revalidate'
const PRIVATE = 'private, no-cache'

for (const declared of all.filter((one) => has(one, 'POST', ''))) {
  const { path, resource } = declared
  t.test(`${path}: says which caches may keep each answer, and by what it varies`, async (t) => {
    const isPublic = resource.declaration.access.read === 'public'
    const body = await newBody(all, declared, send, admin.token)
    const created = await send('POST', path, { as: admin.token, body })
    const etag = created.headers.etag as string
    t.match(etag, resource.isPlain ? /^"1"$/ : /^"1-[0-9a-f]{16}"$/)
    t.match(created.headers, { 'cache-control': PRIVATE, vary: VARY })
    const one = created.headers.location as string
    for (const [method, url] of [
      ['GET', path],
      ['HEAD', path],
      ['GET', one],
      ['HEAD', one]
    ] as const) {
      const theirs = await send(method, url, { as: admin.token })
      t.match(theirs, { status: 200, headers: { 'cache-control': PRIVATE, vary: VARY } }, `${method} ${url}`)
      const anybodys = await send(method, url)
      const expected = isPublic
        ? { status: 200, 'cache-control': PUBLIC }
        : { status: 401, 'cache-control': 'no-store' }
      t.match({ status: anybodys.status, ...anybodys.headers }, { ...expected, vary: VARY }, `${method} ${url}`)
    }
    const had = await send('GET', one, { as: admin.token, headers: { 'if-none-match': etag } })
    t.match(had, { status: 304, text: '', headers: { 'cache-control': PRIVATE, vary: VARY, etag } })
    const [get, head] = [await send('GET', one, { as: admin.token }), await send('HEAD', one, { as: admin.token })]
    for (const name of ['etag', 'content-type', 'content-length', 'cache-control', 'vary'])
      t.equal(head.headers[name], get.headers[name], `HEAD ${name}`)
    t.equal(head.text, '')
    t.match(await send('HEAD', one, { as: admin.token, headers: { 'if-none-match': etag } }), { status: 304 })
    if (!has(declared, 'PUT', '/:id')) return
    const stale = await send('PUT', one, { as: admin.token, body, headers: { 'if-match': '"9"' } })
    t.match(stale, { status: 412, headers: { 'cache-control': 'no-store', vary: VARY } })
    t.match((await send('PUT', one, { as: admin.token, body })).headers, { 'cache-control': PRIVATE, vary: VARY })
  })
}

t.test('errors are not cached, and a token is not stored', async (t) => {
  for (const [method, url, status] of [
    ['GET', '/nothing', 404],
    ['GET', '/api/v1/products/01890000-0000-7000-8000-000000000000', 404],
    ['DELETE', '/api/v1/products', 405],
    ['GET', '/api/v1/products?x', 422]
  ] as const) {
    t.match(await send(method, url), { status, headers: { 'cache-control': 'no-store', vary: VARY } }, url)
  }
  const body = { email: ada.email, password: 'a test password 42' }
  t.match(await send('POST', '/api/v1/auth/login', { body }), { headers: { 'cache-control': 'no-store' } })
})

t.test('a declared time is how long shared caches may keep a public answer', async (t) => {
  const { send, someone } = await startApp(t, {}, fixtures)
  const careful = await someone('admin')
  const { headers } = await send('POST', '/api/v1/careful', { as: careful.token, body: { name: 'kept' } })
  t.equal(headers['cache-control'], PRIVATE)
  for (const url of ['/api/v1/careful', headers.location as string]) {
    t.equal((await send('GET', url)).headers['cache-control'], 'public, max-age=60, must-revalidate')
    t.equal((await send('GET', url, { as: careful.token })).headers['cache-control'], PRIVATE)
  }
})

t.test('a shared cache in front of the response cache never gives one user the answer of another', async (t) => {
  const { send, someone } = await startApp(t, {}, fixtures)
  const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
  const body = { sku: 'OAK-1', name: 'Oak', priceCents: 100, stock: 9 }
  const { id } = (await send('POST', '/api/v1/shelves', { as: admin.token, body })).body
  for (const { token: as } of [ada, bob])
    await send('POST', '/api/v1/orders', { as, body: { lines: [{ productId: id, quantity: 1 }] } })
  const shelf = `/api/v1/shelves/${id}`
  const urls = [shelf, '/api/v1/shelves', `${shelf}?include=orders`, '/api/v1/shelves?include=orders', '/api/v1/orders']
  const cache = sharedCache(send)
  const callers = [undefined, ada.token, bob.token, admin.token, undefined, bob.token, ada.token]
  for (const url of urls) {
    for (const as of callers) {
      const [direct, cached] = [await send('GET', url, { as }), await cache(url, as)]
      const expected = { status: direct.status, text: unnamed(direct.text) }
      t.same({ status: cached.status, text: unnamed(cached.text) }, expected, url)
    }
  }
  t.ok(cache.hits > 0)
})

t.test('a shared cache in front never gives one user the answer of another', async (t) => {
  const cache = sharedCache(send)
  const item = await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Of Ada' } })
  const category = await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'Of all' } })
  await send('POST', '/api/v1/items', { as: bob.token, body: { title: 'Of Bob' } })
  const callers = [undefined, ada.token, bob.token, admin.token, undefined, bob.token, ada.token]
  const urls = app.routeTable.flatMap(({ method, url, config }) =>
    method === 'GET' && config?.access && !config.isStream && url.startsWith('/api/') && !url.includes(':') ? [url] : []
  )
  urls.push(item.headers.location as string, category.headers.location as string)
  t.ok(urls.length >= 9)
  for (const url of urls) {
    for (const as of callers) {
      const direct = await send('GET', url, { as })
      const cached = await cache(url, as)
      t.same(
        { status: cached.status, text: unnamed(cached.text) },
        { status: direct.status, text: unnamed(direct.text) },
        url
      )
    }
  }
  t.equal((await cache('/api/v1/products', 'not a token')).status, 401, 'nor what anybody gets to a wrong credential')
  t.ok(cache.hits > 0, 'what anybody gets is given again once it is validated or fresh')
})

// The instance in a problem differs between requests.
function unnamed(text: string) {
  return text.replace(/"instance":"[^"]*"/, '')
}

// RFC 9111 for a shared cache: sections 3 (storage), 4.1 (Vary) and 4.2 (freshness).
function sharedCache(send: Send) {
  const stored: {
    url: string
    asked: Record<string, string>
    answer: Awaited<ReturnType<typeof send>>
    at: number
  }[] = []
  async function get(url: string, as: string | undefined) {
    const asked: Record<string, string> = as ? { authorization: `Bearer ${as}` } : {}
    const found = stored.find((one) => {
      const vary = (one.answer.headers.vary ?? '').toLowerCase().split(', ')
      return one.url === url && vary.every((name) => one.asked[name] === asked[name])
    })
    const age = found ? (Date.now() - found.at) / 1000 : 0
    const lifetime = Number(/max-age=(\d+)/.exec(found?.answer.headers['cache-control'] ?? '')?.[1])
    if (found && (age < lifetime || (await isValid(found.url, found.answer.headers.etag, asked)))) {
      get.hits += 1
      return found.answer
    }
    const answer = await send('GET', url, { headers: asked })
    const control = answer.headers['cache-control'] ?? ''
    const mayStore = !/no-store|private/.test(control) && (!as || /public|must-revalidate/.test(control))
    if (mayStore && answer.status === 200) stored.push({ url, asked, answer, at: Date.now() })
    return answer
  }
  async function isValid(url: string, etag: string | undefined, asked: Record<string, string>) {
    if (!etag) return false
    return (await send('GET', url, { headers: { ...asked, 'if-none-match': etag } })).status === 304
  }
  get.hits = 0
  return get
}
