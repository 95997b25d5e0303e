import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

const SWEEP_MS = 100
// Load balancers read /readyz now and then; requests that they send until then are served. Without it, in a rolling
// restart under 200 requests a second, one of some thousand requests met a connection that was just closed.
const DRAIN_MS = 1000
// A request must have a complete head by then.
const HEAD_MS = 500
/** npm repeats the terminal's signal, which this process also gets itself: two signals this close count as one. */
export const SAME_SIGNAL_MS = 500

/**
 * Ends the server in order on a signal. It is not ready at once. Requests that come within a second (or a quarter of
 * the grace) after SIGTERM are served, running ones finish, the rest is closed, exit 0. Requests that exceed the grace
 * are cut off; a second signal ends everything at once.
 */
export function shutDownOn(
  signals: NodeJS.Signals[],
  app: FastifyInstance,
  graceMs: number,
  exit: (code: number) => void
): void {
  let stoppingSince = Infinity
  const sockets = new Set<Socket>()
  const underWay = new WeakMap<Socket, number>()
  const count = (socket: Socket, more: number) => underWay.set(socket, (underWay.get(socket) ?? 0) + more)
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // One function for all: a closure and a wrapper for each request would be a large part of the cost of counting.
  function end(this: ServerResponse): void {
    count(this.req.socket, -1)
  }
  app.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    count(socket, 1)
    response.on('close', end)
  })
  function closeIdle(isLate: boolean): void {
    app.server.closeIdleConnections()
    // Node takes a connection without any data, or with half a head, for a busy one.
    for (const socket of sockets) {
      if (socket.bytesRead === 0 || (isLate && !underWay.get(socket))) socket.destroy()
    }
  }
  async function stop(signal: NodeJS.Signals): Promise<void> {
    const sinceMs = performance.now() - stoppingSince
    if (sinceMs >= SAME_SIGNAL_MS) return exit(1)
    if (sinceMs >= 0) return
    stoppingSince = performance.now()
    app.log.info({ signal }, 'stopping')
    app.stopping.isStopping = true
    const cut = setTimeout(() => app.server.closeAllConnections(), graceMs)
    if (signal === 'SIGTERM') await sleep(Math.min(DRAIN_MS, graceMs / 4))
    const drainedAt = performance.now()
    // close() alone would wait for idle keep-alive and half-open sockets; busy connections stay.
    const sweep = setInterval(() => closeIdle(performance.now() - drainedAt > HEAD_MS), SWEEP_MS)
    await app.close()
    clearInterval(sweep)
    clearTimeout(cut)
    exit(0)
  }
  for (const signal of signals) process.on(signal, stop)
}
