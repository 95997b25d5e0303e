import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createDatabase } from '#test/support/database.ts'
import { checkStrictly, docsBlock, writeClient } from '#test/support/generated-client.ts'
import { startProcess } from '#test/support/processes.ts'
import { freePort } from '#test/support/serve.ts'

const [email, password] = ['admin@example.com', 'a test password 42']
const env = {
  ...(await createDatabase(t)),
  PORT: `${await freePort()}`,
  ADMIN_EMAIL: email,
  ADMIN_PASSWORD: password,
  JWT_ISSUER: 'http://127.0.0.1',
  // So few that a client in a hurry meets 429 again and again.
  RATE_LIMIT_TIERS: JSON.stringify({ standard: [{ limit: 25, seconds: 1 }] })
}
const folder = t.testdir({
  'package.json': '{ "type": "module" }',
  'walk.ts': docsBlock('walk'),
  'calls.ts': docsBlock('calls')
})
let server = await startProcess(t, env)
const { address } = server

async function restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await server.end(signal)
  server = await startProcess(t, env)
}

const load = (file: string) => import(pathToFileURL(join(folder, file)).href)

t.before(async () => {
  writeClient(folder, await (await fetch(`${address}/openapi.json`)).json())
})

t.test('the client and what the documentation does with it pass a strict type check', async (t) => {
  t.equal(
    await checkStrictly(folder, ['tenon-client.ts', 'walk.ts', 'calls.ts'], { types: ['node'], typeRoots: [types] }),
    ''
  )
  t.equal(await checkStrictly(folder, ['tenon-client.ts', 'walk.ts', 'calls.ts']), '')
})
const types = join(import.meta.dirname, '../../node_modules/@types')

t.test('the walk of the documentation', async (t) => {
  const { walk } = await load('walk.ts')
  const { order, paid } = await walk(address, email, password)
  t.match(order, { status: 'pending', lines: [{ quantity: 2 }] })
  t.match(paid, [{ type: 'order.paid', subject: `orders/${order.id}` }])
})

t.test('restarts of the server and 429 lose and double no order, and no event', async (t) => {
  const { createClient, login, apiKey, apiKeys, products, orders, events } = await load('tenon-client.ts')
  const retries: { error: { status?: number; name: string } }[] = []
  const onRetry = (retry: (typeof retries)[0]) => retries.push(retry)
  const admin = createClient({ baseUrl: address, credential: login({ email, password }), onRetry })
  const { key } = await apiKeys(admin).create({ name: 'shop', scopes: ['orders:*', 'products:*'] })
  const shop = createClient({ baseUrl: address, credential: apiKey(key), onRetry })
  const stock = 10_000
  const desk = await products(admin).create({ sku: randomBytes(6).toString('hex'), name: 'Desk', priceCents: 1, stock })

  const following = new AbortController()
  t.teardown(() => following.abort())
  const seen: string[] = []
  const followed = (async () => {
    const stream = events(admin).stream({ type: ['order.created'] }, { signal: following.signal })
    for await (const { event } of stream) seen.push(event.subject)
  })().catch((error: Error) => error)

  const count = 200
  let placed = 0
  let restarts = Promise.resolve()
  const place = async (client: unknown) => {
    const order = await orders(client).create({ lines: [{ productId: desk.id, quantity: 1 }] })
    placed += 1
    // In the middle of others that are under way.
    if (placed === 60) restarts = restarts.then(() => restart('SIGKILL'))
    if (placed === 130) restarts = restarts.then(() => restart('SIGTERM'))
    return order.id as string
  }
  const buyers = Array.from({ length: 8 }, async (_, buyer) => {
    const ids: string[] = []
    while (ids.length < count / 8) ids.push(await place(buyer % 2 === 0 ? shop : admin))
    return ids
  })
  const ids = (await Promise.all(buyers)).flat()
  await restarts

  t.equal(new Set(ids).size, count, 'every call has an order of its own')
  const stored: string[] = []
  for await (const { id, lines } of orders(admin).list({ limit: 200 }))
    if (lines.some((line: { productId: string }) => line.productId === desk.id)) stored.push(id)
  t.same(stored.toSorted(), ids.toSorted(), 'and these are all that there are')
  t.equal((await products(admin).read(desk.id)).stock, stock - count)
  t.ok(
    retries.some(({ error }) => error.status === 429),
    'there was a 429'
  )
  t.ok(
    retries.some(({ error }) => error.name === 'ConnectionError'),
    'there was a restart'
  )

  const subjects = ids.map((id) => `orders/${id}`).toSorted()
  for (let waitedMs = 0; seen.length < count && waitedMs < 20_000; waitedMs += 50)
    await new Promise((done) => setTimeout(done, 50))
  t.same(seen.toSorted(), subjects, 'each event came once')
  following.abort()
  t.match(await followed, { name: 'AbortError' })
})
