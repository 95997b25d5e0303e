import { Webhook } from 'standardwebhooks'
import t from 'tap'
import type { Got } from '../support/service.ts'
import { until } from '../support/until.ts'
import { startReceiver, startShop } from '../support/webhooks.ts'

const { send, admin, product, hook } = await startShop(t)

const verify = (secret: string, { body, headers }: Pick<Got, 'body' | 'headers'>) =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as { type: string }

t.test('a message that was altered, or is old, does not verify', async (t) => {
  const receiver = await startReceiver(t)
  const { secret } = await hook(admin.token, receiver.origin)
  await product()
  await until(() => receiver.seen.length === 1)
  const { headers, body } = receiver.seen[0] as (typeof receiver.seen)[0]
  t.equal(verify(secret, { headers, body }).type, 'product.created')
  t.throws(() => verify(secret, { headers, body: body.replace('Thing', 'Other') }), /No matching signature/)
  t.throws(() => verify(secret, { headers: { ...headers, 'webhook-id': 'another' }, body }), /No matching signature/)
  const old = String(Number(headers['webhook-timestamp']) - 600)
  t.throws(() => verify(secret, { headers: { ...headers, 'webhook-timestamp': old }, body }), /too old/)
  t.throws(() => verify(`whsec_${Buffer.alloc(32).toString('base64')}`, { headers, body }), /No matching signature/)
})

t.test('while a secret is replaced, both verify each message', async (t) => {
  const receiver = await startReceiver(t)
  const { id, secret } = await hook(admin.token, receiver.origin)
  const { body } = await send('POST', `/api/v1/webhooks/${id}/rotate`, { as: admin.token })
  await product()
  await until(() => receiver.seen.length === 1)
  for (const one of [secret, body.secret]) t.ok(verify(one, receiver.seen[0] as Got))
})
