import { sql } from 'drizzle-orm'
import t from 'tap'
import { webhookHead } from '#src/webhooks/table.ts'
import { PASSWORD } from '#test/support/app.ts'
import { until } from '#test/support/until.ts'
import { type Reaction, startReceiver, startShop, verify } from '#test/support/webhooks.ts'

// When an attempt is given up.
const ATTEMPT_MS = 15_000

const { app, send, someone, admin, product, hook, deliveries, hurry } = await startShop(t)

t.test('an order that is placed, paid and shipped arrives, signed, and nothing else', async (t) => {
  const receiver = await startReceiver(t)
  const ada = await someone()
  const { id, secret } = await hook(ada.token, `${receiver.origin}/hooks?a=b`, ['order.*'])
  const other = await someone()
  const productId = await product()
  const body = { lines: [{ productId, quantity: 1 }] }
  await send('POST', '/api/v1/orders', { as: other.token, body })
  const order = (await send('POST', '/api/v1/orders', { as: ada.token, body })).body
  await send('POST', `/api/v1/orders/${order.id}/pay`, { as: admin.token })
  await send('POST', `/api/v1/orders/${order.id}/ship`, { as: admin.token })
  await until(() => receiver.seen.length === 3)
  const messages = receiver.seen.map((got) => verify(secret, got))
  t.same(messages.map(({ type }) => type).sort(), ['order.created', 'order.paid', 'order.shipped'])
  for (const message of messages) {
    t.same(Object.keys(message), ['type', 'timestamp', 'data'])
    t.match(message.data, { id: order.id, userId: ada.id, lines: [{ productId }] })
  }
  for (const { method, url, headers } of receiver.seen) {
    t.match({ method, url }, { method: 'POST', url: '/hooks?a=b' })
    t.match(headers, { 'content-type': 'application/json', 'user-agent': 'Tenon' })
  }
  const events = (await send('GET', '/api/v1/events?type=order.*', { as: ada.token })).body.data
  t.same(
    receiver.seen.map(({ headers }) => headers['webhook-id']).sort(),
    events.map((one: { id: string }) => one.id).sort()
  )
  await until(async () =>
    (await deliveries(ada.token, id)).every(({ state }: { state: string }) => state === 'delivered')
  )
  t.match(await deliveries(ada.token, id), [
    { state: 'delivered', attempts: 1, status: 200, error: null, nextAttemptAt: null }
  ])
})

t.test('a receiver that fails gets the same message again, at the times of the schedule', async (t) => {
  const reactions: Reaction[] = [
    500,
    'reset',
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    { status: 503, headers: { 'retry-after': '7200' } },
    { status: 200, body: `fine\0${'x'.repeat(5000)}` }
  ]
  const receiver = await startReceiver(t, (_got, count) => reactions[count - 1] as Reaction)
  const { id, secret } = await hook(admin.token, receiver.origin)
  await product()
  const expected = [
    { status: 500, error: null, pause: 5 },
    { status: null, error: /^127\.0\.0\.1:\d+ could not be reached, or cut the connection\.$/, pause: 300 },
    { status: 302, error: null, pause: 1800 },
    { status: 503, error: null, pause: 7200 }
  ]
  for (const [index, { status, error, pause }] of expected.entries()) {
    await until(async () => (await deliveries(admin.token, id))[0]?.attempts === index + 1)
    const [one] = await deliveries(admin.token, id)
    t.match(one, { state: 'pending', status, error })
    const seconds = (Date.parse(one.nextAttemptAt) - Date.parse(one.attemptedAt)) / 1000
    t.ok(seconds >= pause - 1 && seconds <= pause * 1.1 + 61, `${seconds} s after attempt ${index + 1}`)
    t.ok((await send('GET', `/api/v1/webhooks/${id}`, { as: admin.token })).body.failingSince)
    await hurry()
  }
  await until(async () => (await deliveries(admin.token, id))[0].state === 'delivered')
  const [one] = await deliveries(admin.token, id)
  t.match(one, { attempts: 5, status: 200, answer: /^fine\uFFFDx+$/ })
  t.equal(one.answer.length, 1024)
  t.equal((await send('GET', `/api/v1/webhooks/${id}`, { as: admin.token })).body.failingSince, null)
  t.equal(new Set(receiver.seen.map(({ headers }) => headers['webhook-id'])).size, 1)
  t.equal(receiver.seen[0]?.headers['webhook-id'], one.messageId)
  for (const got of receiver.seen) t.equal(verify(secret, got).type, 'product.created')
})

t.test('after the last attempt it is given up, and can be sent again', async (t) => {
  let reaction = 500
  const receiver = await startReceiver(t, () => reaction)
  const { id } = await hook(admin.token, receiver.origin)
  await product()
  await until(async () => (await deliveries(admin.token, id))[0]?.attempts === 1)
  await app.db.execute(sql`update webhook_deliveries set attempts = 9 where webhook_id = ${id}`)
  await hurry()
  await until(async () => (await deliveries(admin.token, id))[0].state === 'failed')
  const [one] = await deliveries(admin.token, id)
  t.match(one, { attempts: 10, nextAttemptAt: null })
  reaction = 204
  const path = `/api/v1/webhooks/${id}/deliveries/${one.id}`
  const replayed = await send('POST', `${path}/replay`, { as: admin.token })
  t.match(replayed, { status: 202, headers: { location: path }, body: { id: one.id, state: 'pending', attempts: 0 } })
  await until(async () => (await send('GET', path, { as: admin.token })).body.state === 'delivered')
  t.equal(new Set(receiver.seen.map(({ headers }) => headers['webhook-id'])).size, 1)
})

t.test('410 disables the webhook, and what waits goes on when it is enabled again', async (t) => {
  let reaction = 500
  const receiver = await startReceiver(t, () => reaction)
  const { id } = await hook(admin.token, receiver.origin)
  const path = `/api/v1/webhooks/${id}`
  await product()
  await until(async () => (await deliveries(admin.token, id))[0]?.attempts === 1)
  reaction = 410
  await product()
  await until(async () => !(await send('GET', path, { as: admin.token })).body.enabled)
  t.match((await send('GET', path, { as: admin.token })).body, { disabledReason: /answered 410/, failingSince: null })
  t.same(
    (await deliveries(admin.token, id)).map(({ state }: { state: string }) => state),
    ['failed', 'pending']
  )
  await hurry()
  await product()
  t.equal((await send('POST', `${path}/ping`, { as: admin.token })).status, 409)
  const last = await app.events.lastPosition()
  await until(async () => (await app.db.select().from(webhookHead))[0]?.position === last)
  reaction = 200
  const enabled = await send('PATCH', path, { as: admin.token, body: { enabled: true } })
  t.match(enabled.body, { enabled: true, disabledReason: null })
  await until(async () => (await deliveries(admin.token, id)).at(-1).state === 'delivered')
  t.equal(receiver.seen.length, 3, 'what came while it was disabled is not sent')
})

t.test('a receiver that fails for five days is disabled, and the reason is told', async (t) => {
  const receiver = await startReceiver(t, () => 500)
  const { id } = await hook(admin.token, receiver.origin)
  const read = async () => (await send('GET', `/api/v1/webhooks/${id}`, { as: admin.token })).body
  const age = (days: number) =>
    app.db.execute(sql`update webhooks set failing_since = now() - make_interval(days => ${days}) where id = ${id}`)
  await product()
  await until(async () => (await read()).failingSince !== null)
  await age(4)
  await hurry()
  await until(async () => (await deliveries(admin.token, id))[0].attempts === 2)
  t.equal((await read()).enabled, true)
  await age(5)
  await hurry()
  await until(async () => !(await read()).enabled)
  t.match((await read()).disabledReason, /^Every delivery has failed for 5 days, since \d{4}-/)
})

t.test('a webhook gets what its maker may read now, and no more', async (t) => {
  const receiver = await startReceiver(t)
  const ada = await someone()
  const { id } = await hook(ada.token, receiver.origin, ['*'])
  const item = async (as: string) => (await send('POST', '/api/v1/items', { as, body: { title: 'Mine' } })).body.id
  await item((await someone()).token)
  const own = await item(ada.token)
  await until(() => receiver.seen.length === 1)
  t.equal(JSON.parse(receiver.seen[0]?.body as string).data.id, own)
  // The delivery is made, and the right is lost before it is sent.
  await send('PATCH', `/api/v1/webhooks/${id}`, { as: ada.token, body: { enabled: false } })
  const [delivery] = await deliveries(ada.token, id)
  await app.db.execute(
    sql`update webhook_deliveries set state = 'pending', next_attempt_at = now() where id = ${delivery.id}`
  )
  await send('POST', '/api/v1/roles', { as: admin.token, body: { name: 'hooked', scopes: ['webhooks:*'] } })
  await send('PATCH', `/api/v1/users/${ada.id}`, { as: admin.token, body: { role: 'hooked' } })
  const login = { email: ada.email, password: PASSWORD }
  const as = (await send('POST', '/api/v1/auth/login', { body: login })).body.accessToken
  await send('PATCH', `/api/v1/webhooks/${id}`, { as, body: { enabled: true } })
  await until(async () => (await deliveries(as, id))[0].state === 'failed')
  t.match(await deliveries(as, id), [{ error: /may not read it any more/, status: null }])
  t.equal(receiver.seen.length, 1)
  // Of a user that is disabled nothing is sent, and nothing kept.
  await send('PATCH', `/api/v1/users/${ada.id}`, { as: admin.token, body: { active: false } })
  await product()
  const all = await startReceiver(t)
  await hook(admin.token, all.origin, ['product.created'])
  await product()
  await until(() => all.seen.length === 1)
  t.equal((await deliveries(admin.token, id)).length, 1)
})

t.test('a webhook of a key reads what the key may, as long as the key is valid', async (t) => {
  const receiver = await startReceiver(t)
  const all = await startReceiver(t)
  await hook(admin.token, all.origin, ['*'])
  const scopes = ['webhooks:write', 'webhooks:read', 'items:read']
  const key = (await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'k', scopes } })).body
  const { id } = await hook(key.key, receiver.origin, ['item.*', 'order.*'])
  const productId = await product()
  const item = () => send('POST', '/api/v1/items', { as: admin.token, body: { title: 'Mine' } })
  await send('POST', '/api/v1/orders', { as: admin.token, body: { lines: [{ productId, quantity: 1 }] } })
  await item()
  await until(() => receiver.seen.length === 1)
  t.match(JSON.parse(receiver.seen[0]?.body as string).type, 'item.created')
  await send('DELETE', `/api/v1/api-keys/${key.id}`, { as: admin.token })
  const before = all.seen.length
  await item()
  await until(() => all.seen.length > before)
  t.equal((await deliveries(admin.token, id)).length, 1)
})

t.test('a receiver that hangs does not hold up others, and is left alone after some failures', async (t) => {
  const held = await startReceiver(t, () => 'hang')
  const receiver = await startReceiver(t)
  const began = performance.now()
  await hook(admin.token, held.origin)
  const { id } = await hook(admin.token, receiver.origin)
  for (let count = 0; count < 10; count += 1) await product()
  await until(
    async () =>
      (await deliveries(admin.token, id)).filter(({ state }: { state: string }) => state === 'delivered').length === 10
  )
  // On a slow machine those that hang are given up meanwhile, and others come.
  const turns = 1 + Math.floor((performance.now() - began) / ATTEMPT_MS)
  t.ok(held.seen.length <= 2 * turns, `${held.seen.length} in the time of ${turns}`)
})

t.test('a receiver that fails several times in a row rests, and no attempt is lost by it', async (t) => {
  const receiver = await startReceiver(t, () => 500)
  const { id } = await hook(admin.token, receiver.origin)
  for (let count = 0; count < 8; count += 1) await product()
  const isResting = ({ attempts, nextAttemptAt }: { attempts: number; nextAttemptAt: string }) =>
    attempts === 0 && Date.parse(nextAttemptAt) > Date.now()
  await until(async () => (await deliveries(admin.token, id)).some(isResting))
  // The sixth was under way already.
  t.ok(receiver.seen.length <= 6, `${receiver.seen.length} attempts`)
  const { text } = await send('GET', '/metrics')
  for (const outcome of ['delivered', 'retried', 'failed', 'rested'])
    t.match(text, new RegExp(`webhook_attempts_total\\{outcome="${outcome}"\\} [1-9]`))
})
