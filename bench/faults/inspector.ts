import { once } from 'node:events'

/** Talks to the inspector of a Node process: the only way to ask it from outside for a collection. */
export class Inspector {
  readonly #socket: WebSocket
  #last = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
  }

  /** Connects to the process that was started with `--inspect` on this port. */
  static async connect(port: number): Promise<Inspector> {
    const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      webSocketDebuggerUrl: string
    }[]
    const socket = new WebSocket((target as { webSocketDebuggerUrl: string }).webSocketDebuggerUrl)
    await once(socket, 'open')
    return new Inspector(socket)
  }

  /** What the heap holds after a full collection, in MB. */
  async heapAfterCollectionMb(): Promise<number> {
    await this.#call('HeapProfiler.collectGarbage')
    const { usedSize } = (await this.#call('Runtime.getHeapUsage')) as { usedSize: number }
    return usedSize / 2 ** 20
  }

  close(): void {
    this.#socket.close()
  }

  #call(method: string): Promise<unknown> {
    this.#last += 1
    const id = this.#last
    return new Promise((resolve) => {
      const hear = ({ data }: MessageEvent) => {
        const message = JSON.parse(data)
        if (message.id !== id) return
        this.#socket.removeEventListener('message', hear)
        resolve(message.result)
      }
      this.#socket.addEventListener('message', hear)
      this.#socket.send(JSON.stringify({ id, method }))
    })
  }
}
