import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A request that a service of a test got. */
export interface Got {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
  at: number
}

/** A real HTTP server on 127.0.0.1, closed when the test ends. It notes what it gets. */
export async function startService(t: Test, answer: (response: ServerResponse, got: Got) => void) {
  const seen: Got[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      const got = { method, url, headers, body, at: performance.now() }
      seen.push(got)
      answer(response, got)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  const { port } = server.address() as AddressInfo
  return { server, port, origin: `http://127.0.0.1:${port}`, seen }
}
