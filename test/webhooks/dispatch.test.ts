import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import deleteOldDeliveries from '#src/webhooks/delete-old-deliveries.job.ts'
import { deliverDue } from '#src/webhooks/deliver.ts'
import { dispatchEvents, wakeWebhooks } from '#src/webhooks/dispatch.ts'
import { WebhookFollower } from '#src/webhooks/follower.ts'
import { webhookDeliveries, webhookHead, webhooks } from '#src/webhooks/table.ts'
import { noteStatements } from '#test/support/statements.ts'
import { until } from '#test/support/until.ts'
import { startReceiver, startShop } from '#test/support/webhooks.ts'

// Jobs run where a test says so.
const { app, send, someone, admin, product, hook, deliveries } = await startShop(t, { JOBS: 'off' })
const statements = noteStatements(app)
const NOWHERE = 'http://127.0.0.1:1/'

t.test('without a webhook an event costs one statement', async (t) => {
  await product()
  t.equal((await statements.of(() => dispatchEvents(app))).length, 1)
})

t.test('processes that dispatch at once make each delivery once', async (t) => {
  const { id } = await hook(admin.token, NOWHERE)
  for (let count = 0; count < 5; count += 1) await product()
  await Promise.all([1, 2, 3, 4].map(() => dispatchEvents(app)))
  t.equal((await deliveries(admin.token, id)).length, 5)
  const [{ position = 0 } = {}] = await app.db.select().from(webhookHead)
  t.equal(position, await app.events.lastPosition())
  await app.db.delete(webhooks).where(eq(webhooks.id, id))
})

t.test('events of a resource that is gone, and of users that are disabled, are not sent', async (t) => {
  const ada = await someone()
  const [all, own] = [await hook(admin.token, NOWHERE, ['*']), await hook(ada.token, NOWHERE, ['item.created'])]
  await app.db.execute(
    sql`insert into events (resource, type, subject, stored) values ('gone', 'gone.created', 'gone/1', '{}')`
  )
  await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Mine' } })
  await dispatchEvents(app)
  await dispatchEvents(app)
  t.match(await deliveries(admin.token, all.id), { length: 1 })
  await app.db.execute(sql`update users set active = false where id = ${ada.id}`)
  await app.identity.principals.catchUp()
  const context = { id: '01890000-0000-7000-8000-000000000009', signal: new AbortController().signal }
  await deliverDue(app, own.id, context as never, async () => t.fail('it is not tried again'))
  t.match(await deliveries(admin.token, own.id), [{ state: 'failed', attempts: 1, status: null }])
  await send('POST', '/api/v1/items', { as: admin.token, body: { title: 'Mine' } })
  await app.db.execute(sql`update events set owner_id = ${ada.id} where resource = 'items'`)
  await dispatchEvents(app)
  t.match(await deliveries(admin.token, own.id), { length: 1 })
  await app.db.delete(webhooks)
})

t.test('more events than one batch are all dispatched', async (t) => {
  const { id } = await hook(admin.token, NOWHERE)
  const items = Array.from({ length: 600 }, (_, index) => ({ sku: `B${index}`, name: 'Thing', priceCents: 1 }))
  await send('POST', '/api/v1/products/bulk', { as: admin.token, body: { items } })
  await dispatchEvents(app)
  t.equal(await app.db.$count(webhookDeliveries, eq(webhookDeliveries.webhookId, id)), 600)
  await app.db.delete(webhooks).where(eq(webhooks.id, id))
})

t.test('a run that died is made again with what it had taken, and no more than two send at once', async (t) => {
  const receiver = await startReceiver(t, () => 'hang')
  const { id } = await hook(admin.token, receiver.origin)
  for (let count = 0; count < 4; count += 1) await product()
  await dispatchEvents(app)
  const jobs = [1, 2, 3].map((one) => `01890000-0000-7000-8000-00000000000${one}`)
  const wake = async () => t.fail('nothing ended')
  const run = (jobId: string) => {
    const abort = new AbortController()
    const ended = deliverDue(app, id, { id: jobId, signal: abort.signal } as never, wake)
    return { abort, ended }
  }
  const [one, two] = [run(jobs[0] as string), run(jobs[1] as string)]
  await until(() => receiver.seen.length === 2)
  await run(jobs[2] as string).ended
  t.equal(receiver.seen.length, 2, 'a third one finds the places taken')
  for (const { abort, ended } of [one, two]) {
    abort.abort(new Error('the process died'))
    await t.rejects(ended, { message: 'the process died' })
  }
  const again = run(jobs[0] as string)
  await until(() => receiver.seen.length === 3)
  const ids = receiver.seen.map(({ headers }) => headers['webhook-id'])
  t.ok(ids.slice(0, 2).includes(ids[2] as string), 'the same message')
  again.abort.abort(new Error('the process died'))
  await t.rejects(again.ended)
  await app.db.delete(webhooks).where(eq(webhooks.id, id))
})

t.test('an attempt that another run, or the deletion of the webhook, has overtaken writes nothing', async (t) => {
  const receiver = await startReceiver(t, () => 'hang')
  const { id } = await hook(admin.token, receiver.origin)
  await product()
  await dispatchEvents(app)
  const context = { id: '01890000-0000-7000-8000-000000000009', signal: new AbortController().signal }
  const ended = deliverDue(app, id, context as never, async () => t.fail('nothing is queued'))
  await until(() => receiver.seen.length === 1)
  await app.db.execute(sql`update webhook_deliveries set claimed_by = gen_random_uuid() where webhook_id = ${id}`)
  receiver.server.closeAllConnections()
  await ended
  t.match(await deliveries(admin.token, id), [{ attempts: 0, state: 'pending' }])
  await app.db.delete(webhooks).where(eq(webhooks.id, id))
})

t.test('a run that goes on for long gives way to those of other webhooks', async (t) => {
  const receiver = await startReceiver(t)
  const { id } = await hook(admin.token, receiver.origin)
  for (let count = 0; count < 3; count += 1) await product()
  await dispatchEvents(app)
  const woken: object[] = []
  const { now } = performance
  t.teardown(() => {
    performance.now = now
  })
  // A clock that jumps half a minute with the first message.
  performance.now = () => now.call(performance) + (receiver.seen.length > 0 ? 30_000 : 0)
  const context = { id: '01890000-0000-7000-8000-000000000009', signal: new AbortController().signal }
  await deliverDue(app, id, context as never, async (when) => woken.push(when))
  performance.now = now
  t.same(woken, [{}])
  t.equal(receiver.seen.length, 1)
  await app.db.delete(webhooks).where(eq(webhooks.id, id))
})

t.test('deliveries that ended a month ago are deleted, and none that is on its way', async (t) => {
  const { id } = await hook(admin.token, NOWHERE)
  for (let count = 0; count < 3; count += 1) await product()
  await dispatchEvents(app)
  const [one, two] = await deliveries(admin.token, id)
  await app.db.execute(
    sql`update webhook_deliveries set created_at = now() - interval '31 days' where webhook_id = ${id}`
  )
  await app.db.execute(sql`update webhook_deliveries set state = 'failed' where id = ${one.id}`)
  await app.db.execute(sql`update webhook_deliveries set state = 'delivered', created_at = now() where id = ${two.id}`)
  const context = { signal: new AbortController().signal, progress: async () => {} }
  t.same(await deleteOldDeliveries.handle(app, { batch: 1 }, context as never), { deleted: 1 })
  const left = (await deliveries(admin.token, id)).map((each: { id: string }) => each.id)
  t.equal(left.length, 2)
  t.notOk(left.includes(one.id))
})

t.test('following goes on after a failure of the database', async (t) => {
  await app.db.execute(sql`alter table webhook_head rename to webhook_head_hidden`)
  const follower = new WebhookFollower(app, 5)
  t.teardown(() => follower.close())
  follower.look()
  follower.look()
  await product()
  await app.db.execute(sql`alter table webhook_head_hidden rename to webhook_head`)
  const position = async () => (await app.db.select().from(webhookHead))[0]?.position
  await until(async () => (await position()) === (await app.events.lastPosition()))
  await follower.close()
  await product()
  follower.look()
  t.not(await position(), await app.events.lastPosition())
})

t.test('webhooks with something to deliver are woken at its time', async (t) => {
  await wakeWebhooks(app)
  await wakeWebhooks(app)
  const { body } = await send('GET', '/api/v1/jobs?name=webhooks.deliver&state=queued&limit=200', { as: admin.token })
  t.ok(body.data.length > 0)
})
