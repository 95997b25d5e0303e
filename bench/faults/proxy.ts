import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** What goes wrong between two that talk over TCP. */
export type Fault =
  | { kind: 'none' }
  /** Everything comes later, in both directions. */
  | { kind: 'latency'; ms: number }
  /** Nothing arrives and neither side is told; the sent data arrives when the fault is over, as TCP sends it again. */
  | { kind: 'black-hole' }
  /** Every answer is cut in the middle by a reset. */
  | { kind: 'reset' }
  /** So many bytes a second for each connection and direction. */
  | { kind: 'slow'; bytesPerSecond: number }
  /** Packets of so many bytes, one a turn of the event loop. */
  | { kind: 'slices'; bytes: number }
  /** A connection is closed in order once its client has spoken. */
  | { kind: 'fin-at-start-up' }

const NONE: Fault = { kind: 'none' }

/** A proxy between a server and its clients that injects the faults it is told to. */
export class FaultProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #fault: Fault = NONE
  #changed = Promise.withResolvers<void>()

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as { port: number }).port
  }

  /** Opens a proxy before what listens on a port of this machine. */
  static async open(targetPort: number): Promise<FaultProxy> {
    // Half-open, so that the end of one direction is passed on and is not the end of both.
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new FaultProxy(server)
    server.on('connection', (client) => void proxy.#serve(client, targetPort))
    return proxy
  }

  /** What goes wrong from here on, also on connections that are open. */
  set(fault: Fault): void {
    this.#fault = fault
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Cuts the connections that are open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** The same address by way of the proxy. */
  through(url: string): string {
    const changed = new URL(url)
    changed.port = String(this.port)
    return changed.href
  }

  /** Cuts every connection, and makes no more. */
  async close(): Promise<void> {
    this.set(NONE)
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(client: Socket, targetPort: number): Promise<void> {
    this.#keep(client)
    if (this.#fault.kind === 'fin-at-start-up') {
      client.once('data', () => client.end())
      return
    }
    await this.#light()
    if (client.destroyed) return
    const target = createConnection({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true, noDelay: true })
    this.#keep(target)
    void this.#carry(client, target, false)
    void this.#carry(target, client, true)
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // The other side learns of the error by the end of its socket.
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  // Settles when it is not dark.
  async #light(): Promise<void> {
    while (this.#fault.kind === 'black-hole') await this.#changed.promise
  }

  async #carry(from: Socket, to: Socket, isAnswer: boolean): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        await this.#light()
        await this.#pass(chunk, from, to, isAnswer)
      }
      await this.#light()
      to.end()
    } catch {
      await this.#light()
      to.destroy()
    }
  }

  async #pass(chunk: Buffer, from: Socket, to: Socket, isAnswer: boolean): Promise<void> {
    const fault = this.#fault
    if (fault.kind === 'latency') await sleep(fault.ms)
    if (fault.kind === 'reset' && isAnswer) {
      to.write(chunk.subarray(0, chunk.length / 2), () => to.resetAndDestroy())
      from.destroy()
      return
    }
    if (fault.kind !== 'slow' && fault.kind !== 'slices') return written(to, chunk)
    // In tenths of a second, so that a change of the fault is noticed soon.
    const size = fault.kind === 'slices' ? fault.bytes : Math.max(1, Math.round(fault.bytesPerSecond / 10))
    for (let at = 0; at < chunk.length; ) {
      const isOver = this.#fault !== fault
      const slice = isOver ? chunk.subarray(at) : chunk.subarray(at, at + size)
      at += slice.length
      await written(to, slice)
      if (isOver) continue
      if (fault.kind === 'slices') await nextTurn()
      else await Promise.race([sleep((slice.length / fault.bytesPerSecond) * 1000), this.#changed.promise])
    }
  }
}

async function written(to: Socket, chunk: Buffer): Promise<void> {
  if (to.destroyed) throw new Error('the other side has gone')
  if (!to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')])
}
