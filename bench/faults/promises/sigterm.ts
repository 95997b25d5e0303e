import { once } from 'node:events'
import { Agent } from 'node:http'
import { createConnection } from 'node:net'
import { send, tally } from '../load.ts'
import { countLockWaits } from '../locks.ts'
import { bounded, type Promised, under } from '../promise.ts'

const GRACE_MS = 5000
const EACH = 50

export default {
  name: 'sigterm',
  title: `SIGTERM with ${EACH} idle, ${EACH} silent, ${EACH} half-open and ${EACH} busy connections`,
  async show(lab) {
    const database = await lab.database()
    const { child, port, url } = await lab.instance(database.url, { SHUTDOWN_GRACE_MS: String(GRACE_MS) })
    const { id } = await lab.make(url, '/api/v1/products', { sku: 'sigterm', name: 'Locked', priceCents: 1 })
    const sockets = await Promise.all(
      Array.from({ length: 2 * EACH }, async (_none, n) => {
        const socket = createConnection(port, '127.0.0.1').on('error', () => {})
        await once(socket, 'connect')
        // Half of them have begun to speak, and never end.
        if (n < EACH) socket.write('GET /api/v1/products HTTP/1.1\r\nHost: faults.test\r\nX-Slow:')
        return socket
      })
    )
    const idle = new Agent({ keepAlive: true })
    await Promise.all(Array.from({ length: EACH }, () => send(idle, url, { path: '/livez' })))
    // Busy: each waits for a row that is locked until after the signal.
    const unlock = Promise.withResolvers<void>()
    const locked = Promise.withResolvers<void>()
    const holding = database.sql.begin(async (tx) => {
      await tx`select from products where id = ${id} for update`
      locked.resolve()
      await unlock.promise
    })
    await locked.promise
    const call = {
      method: 'PATCH',
      path: `/api/v1/products/${id}`,
      headers: { 'x-api-key': lab.key },
      body: { stock: 7 }
    }
    const busy = Array.from({ length: EACH }, () => send(lab.agent, url, call))
    while ((await countLockWaits(database)) === 0);
    const signalledAt = performance.now()
    child.kill('SIGTERM')
    const exited = once(child, 'exit').then(([code]) => ({ code, ms: performance.now() - signalledAt }))
    setTimeout(unlock.resolve, 500)
    const answers = await Promise.all(busy)
    const { code, ms } = await exited
    await holding
    for (const socket of sockets) socket.destroy()
    idle.destroy()
    const served = answers.filter(({ status }) => status === 200).length
    return [
      bounded(code === 0, `exit ${code}`, 'exit 0'),
      under(GRACE_MS, 'after', ms),
      bounded(served === EACH, `${served} of ${EACH} busy requests served (${tally(answers)})`, 'all')
    ]
  }
} satisfies Promised
