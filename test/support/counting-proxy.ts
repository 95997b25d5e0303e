import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

const TYPE_BYTES = 1
// A simple query, and the execution of a prepared statement.
const STATEMENTS = new Set([...'QE'].map((type) => type.charCodeAt(0)))

/**
 * A proxy before PostgreSQL that counts the statements that come through it, those included that no logger of the application
 * sees.
 */
export async function startCountingProxy(t: Test, databaseUrl: string): Promise<{ url: string; count: () => number }> {
  let count = 0
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    for (const one of [socket, upstream]) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => [socket, upstream].map((each) => each.destroy()))
    }
    const read = messageReader((type) => {
      if (STATEMENTS.has(type)) count += 1
    })
    socket.on('data', read)
    socket.pipe(upstream).pipe(socket)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((done) => server.close(done))
  })
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: url.href, count: () => count }
}

/** Reads what a client sends: a startup message without a type, then messages with one, each with its length. */
function messageReader(onMessage: (type: number) => void): (data: Buffer) => void {
  let [rest, head] = [Buffer.alloc(0), 0]
  return (data) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= head + 4 && rest.length >= head + rest.readInt32BE(head)) {
      if (head > 0) onMessage(rest[0] as number)
      rest = rest.subarray(head + rest.readInt32BE(head))
      head = TYPE_BYTES
    }
  }
}
