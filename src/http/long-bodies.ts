import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

const sockets = new WeakSet<object>()

/** How long a body of any length may send nothing. */
const IDLE_MS = 30_000

/**
 * Lets the body of a request take as long as it needs, while something comes: the time limit of all other requests is on
 * the whole of a body, and one of a million rows would not make it.
 */
export function allowLongBody(request: IncomingMessage): void {
  // A request that a test injects has none.
  if (!(request.socket instanceof Socket)) return
  sockets.add(request.socket)
  request.setTimeout(IDLE_MS, () => request.destroy())
}

/** Whether a socket is over the time limit, and may be. */
export const isLate = (error: { code?: string }, socket: object): boolean =>
  error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && sockets.has(socket)
