import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

const SWEEP_MS = 100

/**
 * Ends the server in order on a signal: not ready at once, requests under way finish, the rest is closed, exit 0.
 * What is not done within the grace is cut off.
 */
export function shutDownOn(
  signals: NodeJS.Signals[],
  app: FastifyInstance,
  graceMs: number,
  exit: (code: number) => void
): void {
  let isStopping = false
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  function closeIdle(): void {
    app.server.closeIdleConnections()
    // Node takes a connection on which nothing ever came for a busy one.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
  async function stop(signal: NodeJS.Signals): Promise<void> {
    if (isStopping) return
    isStopping = true
    app.log.info({ signal }, 'stopping')
    app.stopping.isStopping = true
    // close() alone would wait for idle keep-alive and half-open sockets; what is busy keeps its connection.
    const sweep = setInterval(closeIdle, SWEEP_MS)
    const cut = setTimeout(() => app.server.closeAllConnections(), graceMs)
    await app.close()
    clearInterval(sweep)
    clearTimeout(cut)
    exit(0)
  }
  for (const signal of signals) process.on(signal, stop)
}
