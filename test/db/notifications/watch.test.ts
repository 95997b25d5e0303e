import t from 'tap'
import { Watch } from '#src/db/notifications/watch.ts'

t.test('a watch that is closed while it pings pings no more', async (t) => {
  const pings: PromiseWithResolvers<void>[] = []
  const ping = () => {
    const one = Promise.withResolvers<void>()
    pings.push(one)
    return one.promise
  }
  const listen = async () => ({ close: async () => {} })
  const watch = new Watch(listen, 'channel', { onMessage: () => {} }, ping, {
    pingMs: 1,
    deafMs: 60_000
  })
  const started = watch.start()
  while (pings.length === 0) await new Promise(setImmediate)
  pings[0]?.resolve()
  await started
  while (pings.length === 1) await new Promise((done) => setTimeout(done, 1))
  await watch.close()
  pings[1]?.resolve()
  await new Promise((done) => setTimeout(done, 20))
  t.equal(pings.length, 2)
})
