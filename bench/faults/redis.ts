import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { end, findProgram, freePort, start } from '../throughput/processes.ts'

/** A Redis of our own, that may be killed. */
export class RedisServer {
  readonly port: number
  readonly url: string
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
    this.url = `redis://127.0.0.1:${port}`
  }

  /** @throws Error that says what is needed, when there is no redis-server. */
  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const program = findProgram('redis-server')
    if (!program) throw new Error('redis-server is needed (apt-get install redis-server)')
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    this.#child = start('rest', program, args, { stdio: 'ignore' })
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null })
    client.on('error', () => {})
    const answered = client.ping().then(() => true)
    const isUp = await Promise.race([answered, sleep(5000, false, { ref: false })])
    client.disconnect()
    if (!isUp) throw new Error('the Redis of the trial did not start')
  }

  /** Ends it as a fault would. */
  async kill(): Promise<void> {
    if (this.#child) await end(this.#child, 'SIGKILL')
  }
}
