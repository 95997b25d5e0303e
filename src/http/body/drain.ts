import { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

// How much more of a body is read after it was refused, and for how long.
const MAX_DRAINED_BYTES = 64 * 1_048_576
const MAX_DRAINING_MS = 30_000
const CHECK_EVERY_MS = 500

const draining = new WeakSet<object>()

/**
 * Lets a client that still sends its body read the answer: a connection that is closed while bytes come is reset, and the
 * answer is lost (RFC 9112, section 9.6). Node reads and drops the rest once the answer is sent, and the connection
 * goes on; here is the bound of that.
 */
export function drainBody({ raw }: FastifyRequest, reply: FastifyReply): void {
  // Fastify means to close the connection whenever it refuses a body, also one that was read.
  reply.removeHeader('connection')
  const { socket } = raw
  // A request that a test injects has none. A connection can be refused twice, by pipelined requests.
  if (raw.complete || !(socket instanceof Socket) || draining.has(socket)) return
  draining.add(socket)
  // A reader that uses 'readable', as an iterator does, leaves the stream paused, and Node does not resume it by
  // itself.
  if (raw.listenerCount('readable') > 0) raw.removeAllListeners('readable')
  raw.on('data', drop).resume()
  const endsAt = performance.now() + MAX_DRAINING_MS
  const most = socket.bytesRead + MAX_DRAINED_BYTES
  const timer = setInterval(() => {
    if (socket.bytesRead > most || performance.now() > endsAt) socket.destroy()
  }, CHECK_EVERY_MS).unref()
  const stop = () => {
    clearInterval(timer)
    draining.delete(socket)
    socket.off('close', stop)
  }
  raw.once('close', stop)
  socket.once('close', stop)
}

const drop = () => {}

/** Whether the answer to the request of a connection was sent before its body came: another would be read as the next. */
export const isDraining = (socket: object): boolean => draining.has(socket)
