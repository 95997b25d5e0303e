import { once } from 'node:events'
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'

interface Backend {
  url: string
  agent: Agent
  isReady: boolean
}

const LOOK_MS = 100

/**
 * A round-robin proxy before several instances, as an orchestrator has one: it reads `/readyz` every 100 ms, sends
 * nothing to an instance that is not ready, and tries another one only when no connection was made, which is safe for
 * every method.
 */
export class Balancer {
  readonly url: string
  readonly #server = createServer((request, response) => void this.#pass(request, response))
  readonly #timer: NodeJS.Timeout
  #backends: Backend[]
  #turn = 0

  private constructor(urls: string[]) {
    this.#backends = urls.map((url) => ({ url, agent: new Agent({ keepAlive: true }), isReady: true }))
    this.#timer = setInterval(() => void this.#look(), LOOK_MS)
    this.url = ''
  }

  /** Opens a balancer before instances. */
  static async open(urls: string[]): Promise<Balancer> {
    const balancer = new Balancer(urls)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    const { port } = balancer.#server.address() as { port: number }
    return Object.assign(balancer, { url: `http://127.0.0.1:${port}` })
  }

  /** Puts an instance in the place of another. */
  replace(url: string, by: string): void {
    this.#backends = this.#backends.map((one) =>
      one.url === url ? { url: by, agent: new Agent({ keepAlive: true }), isReady: true } : one
    )
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#server.closeAllConnections()
    this.#server.close()
    for (const { agent } of this.#backends) agent.destroy()
    await once(this.#server, 'close')
  }

  async #look(): Promise<void> {
    await Promise.all(
      this.#backends.map(async (one) => {
        const answer = await fetch(`${one.url}/readyz`).catch(() => undefined)
        await answer?.arrayBuffer().catch(() => {})
        one.isReady = answer?.ok ?? false
      })
    )
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = Buffer.concat(await incoming.toArray())
    const { method, url: path, headers } = incoming
    const tried = new Set<Backend>()
    const next = () => {
      const one = this.#next(tried)
      if (!one) return void outgoing.writeHead(502, { 'content-type': 'text/plain' }).end('no instance')
      tried.add(one)
      const request = httpRequest(one.url + path, { method, headers, agent: one.agent }, (response) => {
        const { connection: _connection, 'keep-alive': _keepAlive, ...passed } = response.headers
        outgoing.writeHead(response.statusCode as number, passed)
        response.pipe(outgoing)
        response.on('error', () => outgoing.destroy())
      })
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') return next()
        if (outgoing.headersSent) outgoing.destroy()
        else outgoing.writeHead(502, { 'content-type': 'text/plain' }).end(error.code)
      })
      request.end(body)
    }
    next()
  }

  #next(tried: Set<Backend>): Backend | undefined {
    const all = this.#backends
    this.#turn = (this.#turn + 1) % all.length
    const inTurn = [...all.slice(this.#turn), ...all.slice(0, this.#turn)].filter((one) => !tried.has(one))
    return inTurn.find(({ isReady }) => isReady) ?? inTurn[0]
  }
}
