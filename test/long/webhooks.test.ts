import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '#test/support/until.ts'
import { type Reaction, startReceiver, startShop, verify } from '#test/support/webhooks.ts'

const { product, hook, deliveries, admin } = await startShop(t)
const states = async (id: string) => (await deliveries(admin.token, id)).map((one: { state: string }) => one.state)

t.test(
  'a receiver that resets, hangs and recovers gets each message, with one id, at the times that are promised',
  async (t) => {
    const reactions: Reaction[] = ['reset', 'hang', 200]
    const receiver = await startReceiver(t, (_got, count) => reactions[count - 1] ?? 200)
    const { id, secret } = await hook(admin.token, receiver.origin)
    await product()
    await until(() => receiver.seen.length === 2)
    const [first, second] = receiver.seen as [(typeof receiver.seen)[0], (typeof receiver.seen)[0]]
    const pause = (second.at - first.at) / 1000
    t.ok(pause >= 5 && pause < 8, `${pause} s`)
    await until(async () => (await deliveries(admin.token, id))[0].attempts === 2)
    t.match(await deliveries(admin.token, id), [{ state: 'pending', error: /did not answer in time/ }])
    t.equal(first.headers['webhook-id'], second.headers['webhook-id'])
    t.equal(verify(secret, second).type, 'product.created')
  }
)

t.test('a receiver that rests after failures gets all that it missed once it is back', async (t) => {
  let reaction = 500
  const receiver = await startReceiver(t, () => reaction)
  const { id, secret } = await hook(admin.token, receiver.origin)
  for (let count = 0; count < 30; count += 1) await product()
  await sleep(3000)
  t.ok(receiver.seen.length < 15, `${receiver.seen.length} attempts at a receiver that fails`)
  reaction = 200
  await until(async () => (await states(id)).every((state: string) => state === 'delivered'))
  t.equal(new Set(receiver.seen.map((got) => got.headers['webhook-id'])).size, 30)
  for (const got of receiver.seen) t.ok(verify(secret, got))
})
