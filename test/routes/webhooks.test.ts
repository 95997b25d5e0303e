import { sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { MAX_WEBHOOKS } from '#src/webhooks/webhooks.ts'
import { until } from '#test/support/until.ts'
import { startReceiver, startShop, verify } from '#test/support/webhooks.ts'

const { app, send, someone, admin, product, hook, deliveries } = await startShop(t)
const URL_OF_NONE = 'https://hooks.example.com/a'
const make = (as: string, body: object) => send('POST', '/api/v1/webhooks', { as, body })

t.test('a webhook shows its secret once, and is stored without it', async (t) => {
  const ada = await someone()
  const { status, headers, body } = await make(ada.token, { url: URL_OF_NONE, events: ['order.*'] })
  t.equal(status, 201)
  t.match(headers, { location: `/api/v1/webhooks/${body.id}`, 'cache-control': 'no-store' })
  const { secret, ...rest } = body
  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  t.match(rest, { url: URL_OF_NONE, events: ['order.*'], description: null, enabled: true, disabledReason: null })
  t.same((await send('GET', `/api/v1/webhooks/${body.id}`, { as: ada.token })).body, rest)
  const [stored] = await selectRaw<{ text: string }>(
    app.db,
    sql`select webhooks::text from webhooks where id = ${body.id}`
  )
  t.notMatch(JSON.stringify(stored), secret.slice(6))
  const other = await someone()
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/rotate'],
    ['POST', '/ping'],
    ['GET', '/deliveries'],
    ['POST', '/replay']
  ] as const) {
    const body = { PATCH: {}, POST: { since: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' } }[
      method as 'PATCH'
    ]
    const sent = { as: other.token, ...(body && path !== '/rotate' && path !== '/ping' && { body }) }
    t.equal((await send(method, `/api/v1/webhooks/${rest.id}${path}`, sent)).status, 404, `${method} ${path}`)
  }
})

t.test('what cannot be a webhook is refused, each fault with its place', async (t) => {
  const cases: [object, string, string][] = [
    [{ url: 'ftp://example.com/' }, '/url', 'pattern'],
    [{ url: 'https://' }, '/url', 'url'],
    [{ url: 'https://user:word@example.com/' }, '/url', 'url'],
    [{ url: 'https://[::1/' }, '/url', ''],
    [{ events: [] }, '/events', 'minItems'],
    [{ events: ['order.*', 'nothing.*'] }, '/events/1', 'unknown'],
    [{ events: ['order.lost'] }, '/events/0', 'unknown'],
    [{ secret: 'whsec_mine' }, '/secret', '']
  ]
  for (const [sent, path, code] of cases) {
    const refused = await make(admin.token, { url: URL_OF_NONE, events: ['*'], ...sent })
    t.equal(refused.status, 422, JSON.stringify(sent))
    t.match(refused.body.details, [{ path, ...(code && { code }) }], JSON.stringify(sent))
  }
})

t.test('a user has a bounded number of webhooks', async (t) => {
  const ada = await someone()
  const made = await Promise.all(
    Array.from({ length: MAX_WEBHOOKS + 2 }, () =>
      make(ada.token, { url: URL_OF_NONE, events: ['item.*'], enabled: false })
    )
  )
  t.equal(made.filter(({ status }) => status === 201).length, MAX_WEBHOOKS)
  t.match(
    made.find(({ status }) => status !== 201),
    { status: 409, body: { error: { code: 'CONFLICT' } } }
  )
})

t.test(
  'a caller with fewer rights than a webhook neither turns it to another address nor sees its secret',
  async (t) => {
    const { id } = await hook(admin.token, URL_OF_NONE)
    const path = `/api/v1/webhooks/${id}`
    const key = async (scopes: string[]) =>
      (await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'k', scopes } })).body.key
    const weak = await key(['webhooks:*', 'products:read'])
    for (const body of [{ url: 'https://evil.example/' }, { events: ['*'] }, { enabled: true }]) {
      t.equal((await send('PATCH', path, { as: weak, body })).status, 403, JSON.stringify(body))
    }
    t.equal((await send('POST', `${path}/rotate`, { as: weak })).status, 403)
    t.equal((await send('PATCH', path, { as: weak, body: { description: 'x', enabled: false } })).status, 200)
    t.equal((await send('PATCH', path, { as: await key(['*']), body: { url: URL_OF_NONE } })).status, 200)
    const own = (await make(weak, { url: URL_OF_NONE, events: ['*'] })).body.id
    t.equal(
      (await send('PATCH', `/api/v1/webhooks/${own}`, { as: weak, body: { url: `${URL_OF_NONE}b` } })).status,
      200
    )
    // Nor does a user with the rights for all webhooks, and few others.
    await send('POST', '/api/v1/roles', { as: admin.token, body: { name: 'hooks', scopes: ['webhooks:*'] } })
    const keeper = await someone('hooks')
    t.equal((await send('PATCH', path, { as: keeper.token, body: { url: 'https://evil.example/' } })).status, 403)
    t.equal((await send('GET', path, { as: keeper.token })).status, 200)
    const member = await someone()
    t.equal((await send('PATCH', path, { as: member.token, body: { url: 'https://evil.example/' } })).status, 404)
  }
)

t.test('after a rotation both secrets sign for a day', async (t) => {
  const receiver = await startReceiver(t)
  const { id, secret } = await hook(admin.token, receiver.origin)
  const rotated = await send('POST', `/api/v1/webhooks/${id}/rotate`, { as: admin.token })
  t.match(rotated, { status: 200, headers: { 'cache-control': 'no-store' }, body: { id } })
  t.not(rotated.body.secret, secret)
  await product()
  await until(() => receiver.seen.length === 1)
  const [got] = receiver.seen
  for (const one of [secret, rotated.body.secret]) t.ok(verify(one, got as never))
  t.equal(String(got?.headers['webhook-signature']).split(' ').length, 2)
  await app.db.execute(sql`update webhooks set previous_until = now() where id = ${id}`)
  await product()
  await until(() => receiver.seen.length === 2)
  t.ok(verify(rotated.body.secret, receiver.seen[1] as never))
  t.throws(() => verify(secret, receiver.seen[1] as never))
})

t.test('a ping is delivered like an event', async (t) => {
  const receiver = await startReceiver(t)
  const { id, secret } = await hook(admin.token, receiver.origin, ['order.*'])
  const { status, headers, body } = await send('POST', `/api/v1/webhooks/${id}/ping`, { as: admin.token })
  t.equal(status, 202)
  t.equal(headers.location, `/api/v1/webhooks/${id}/deliveries/${body.id}`)
  await until(() => receiver.seen.length === 1)
  const [got] = receiver.seen
  t.match(verify(secret, got as never), { type: 'webhook.ping', timestamp: body.createdAt, data: { webhookId: id } })
  t.equal(got?.headers['webhook-id'], body.messageId)
  const dry = await send('POST', `/api/v1/webhooks/${id}/ping`, { as: admin.token, headers: { prefer: 'tx=rollback' } })
  t.equal(dry.status, 202)
  await until(async () => (await deliveries(admin.token, id))[0].state === 'delivered')
  t.equal((await deliveries(admin.token, id)).length, 1)
})

t.test('a private address is refused when it is connected to, and the log says so', async (t) => {
  const { id } = await hook(admin.token, 'http://10.0.0.1/', ['order.*'])
  await send('POST', `/api/v1/webhooks/${id}/ping`, { as: admin.token })
  await until(async () => (await deliveries(admin.token, id))[0].attempts === 1)
  t.match(await deliveries(admin.token, id), [
    { state: 'pending', error: '10.0.0.1 is no address that may be called.' }
  ])
})

t.test('the events of a span are sent again, by a job, and those from before the webhook was made', async (t) => {
  await product()
  const receiver = await startReceiver(t)
  const { id } = await hook(admin.token, receiver.origin, ['product.created'])
  await product()
  await until(() => receiver.seen.length === 1)
  await until(async () => (await deliveries(admin.token, id))[0].state === 'delivered')
  const all = (await send('GET', '/api/v1/events?type=product.created&limit=200', { as: admin.token })).body.data
  const replay = (since: string, until: string) =>
    send('POST', `/api/v1/webhooks/${id}/replay`, { as: admin.token, body: { since, until } })
  const [first, last] = [all[0].timestamp, new Date(Date.parse(all.at(-1).timestamp) + 1).toISOString()]
  const started = await replay(first, last)
  t.match(started, { status: 202, body: { name: 'replayWebhook' } })
  t.equal(started.headers.location, `/api/v1/jobs/${started.body.id}`)
  await until(() => receiver.seen.length === all.length + 1)
  const ids = receiver.seen.map(({ headers }) => headers['webhook-id'])
  t.same([...new Set(ids)].sort(), all.map((one: { id: string }) => one.id).sort())
  const job = () => send('GET', `/api/v1/jobs/${started.body.id}`, { as: admin.token })
  await until(async () => (await job()).body.state === 'done')
  t.match((await job()).body, { result: { replayed: all.length }, progress: { done: all.length } })
  t.match(await replay(last, first), { status: 422, body: { details: [{ path: '/until' }] } })
  await until(async () =>
    (await deliveries(admin.token, id)).every((one: { state: string }) => one.state === 'delivered')
  )
})

t.test('of two replays at once one is refused, and one of a webhook that is gone ends', async (t) => {
  const { app, send, admin, hook } = await startShop(t, { JOBS: 'off' })
  const { id } = await hook(admin.token, URL_OF_NONE)
  const body = { since: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' }
  const replay = () => send('POST', `/api/v1/webhooks/${id}/replay`, { as: admin.token, body })
  t.equal((await replay()).status, 202)
  t.match(await replay(), { status: 409, body: { error: { code: 'CONFLICT' } } })
  t.equal((await send('DELETE', `/api/v1/webhooks/${id}`, { as: admin.token })).status, 204)
  const job = app.jobs.definitions.get('webhooks.replay')
  t.same(await job?.handle(app, { webhookId: id, ...body } as never, {} as never), { replayed: 0 })
})

t.test('deliveries are listed in pages, newest first, by their state', async (t) => {
  const { app, send, admin, hook } = await startShop(t, { JOBS: 'off' })
  const { id } = await hook(admin.token, URL_OF_NONE)
  const path = `/api/v1/webhooks/${id}/deliveries`
  const made = []
  for (let count = 0; count < 5; count += 1) {
    made.unshift((await send('POST', `/api/v1/webhooks/${id}/ping`, { as: admin.token })).body.id)
  }
  await app.db.execute(sql`update webhook_deliveries set state = 'failed' where id = ${made[4]}`)
  const ids = (body: { data: { id: string }[] }) => body.data.map((one) => one.id)
  const list = async (query: string) => send('GET', `${path}?${query}`, { as: admin.token })
  const first = await list('limit=2')
  t.same(ids(first.body), made.slice(0, 2))
  t.equal(first.body.page.previous, null)
  t.match(first.headers.link, /rel="next"/)
  const second = await list(`limit=2&cursor=${first.body.page.next}`)
  t.same(ids(second.body), made.slice(2, 4))
  const third = await list(`limit=2&cursor=${second.body.page.next}`)
  t.same([ids(third.body), third.body.page.next], [made.slice(4), null])
  t.same(ids((await list(`limit=2&cursor=${third.body.page.previous}`)).body), made.slice(2, 4))
  const back = await list(`limit=2&cursor=${second.body.page.previous}`)
  t.same([ids(back.body), back.body.page.previous], [made.slice(0, 2), null])
  t.same(ids((await list('state=failed')).body), made.slice(4))
  t.same((await list('state=delivered')).body, { data: [], page: { limit: 50, next: null, previous: null } })
  t.match(await list(`state=failed&cursor=${first.body.page.next}`), {
    status: 400,
    body: { error: { code: 'INVALID_CURSOR' } }
  })
  const nothing = '01890000-0000-7000-8000-000000000000'
  t.equal((await send('GET', `${path}/${nothing}`, { as: admin.token })).status, 404)
})
