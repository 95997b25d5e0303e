import type { FastifyInstance } from 'fastify'
import { dispatchEvents, wakeWebhooks } from './dispatch.ts'

const RETRY_MS = 1000

/** Makes deliveries whenever there are new events. While there are none it sends nothing. */
export class WebhookFollower {
  readonly #app: FastifyInstance
  readonly #retryMs: number
  #running: Promise<void> | undefined
  #isBehind = false
  #hasWoken = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(app: FastifyInstance, retryMs: number = RETRY_MS) {
    this.#app = app
    this.#retryMs = retryMs
  }

  /** Says that there may be new events. */
  readonly look = (): void => {
    this.#isBehind = true
    if (!this.#running && !this.#isClosed) this.#running = this.#run()
  }

  /** Ends following. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      // A process that died may have left them behind.
      if (!this.#hasWoken) await wakeWebhooks(this.#app)
      this.#hasWoken = true
      while (this.#isBehind && !this.#isClosed) {
        this.#isBehind = false
        await dispatchEvents(this.#app)
      }
    } catch (err) {
      this.#app.log.warn({ err }, 'webhooks cannot follow the events')
      this.#timer = setTimeout(this.look, this.#retryMs).unref()
    }
    // At once after the last look at what is behind: what is told from now on begins a run of its own.
    this.#running = undefined
  }
}
