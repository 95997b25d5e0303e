import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { load, productId } from '../../throughput/database.ts'
import { isOk, p99, send, startLoad } from '../load.ts'
import { bounded, none, type Promised, seen } from '../promise.ts'

const SOCKETS = 1000
const RATE = 200

export default {
  name: 'slow-sockets',
  title: `${SOCKETS.toLocaleString('en')} slow sockets`,
  async show(lab) {
    const database = await lab.database()
    await load(database, 1000)
    const { port, url } = await lab.instance(database.url)
    const headers = { 'x-api-key': lab.key }
    const measure = async () => {
      const traffic = startLoad(RATE, (n) =>
        send(lab.agent, url, { path: `/api/v1/products/${productId(1 + (n % 1000))}`, headers })
      )
      await sleep(lab.some(8000, 3000))
      return traffic.stop()
    }
    await send(lab.agent, url, { path: `/api/v1/products/${productId(1)}`, headers })
    const before = await measure()
    let closed = 0
    const sockets = await Promise.all(
      Array.from({ length: SOCKETS }, async (_none, n) => {
        const socket = createConnection(port, '127.0.0.1')
          .on('error', () => {})
          .resume()
        socket.once('close', () => {
          closed += 1
        })
        await once(socket, 'connect')
        // Half send their headers a byte at a time, half a body that never ends.
        const head = `POST /api/v1/items HTTP/1.1\r\nHost: faults.test\r\nX-API-Key: ${lab.key}\r\n`
        socket.write(n % 2 === 0 ? head : `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`)
        return socket
      })
    )
    const dripping = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('x')
    }, 1000)
    const during = await measure()
    // Those of the headers are ended after 10 s, those of the body after 30 s.
    await sleep(lab.some(26_000, 0))
    clearInterval(dripping)
    for (const socket of sockets) socket.destroy()
    const [usual, loaded] = [p99(before), p99(during)]
    return [
      none('requests failed', during.filter((answer) => !isOk(answer)).length, during.length),
      bounded(
        loaded < Math.max(50, 2 * usual),
        `p99 ${loaded.toFixed(1)} ms beside ${usual.toFixed(1)} ms without them`,
        'under 50 ms, or twice as much'
      ),
      ...(lab.isQuick
        ? []
        : [bounded(closed === SOCKETS, `${closed.toLocaleString('en')} ended by the server`, 'all')]),
      seen(`${RATE} requests/s`)
    ]
  }
} satisfies Promised
