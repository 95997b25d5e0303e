import type { IncomingHttpHeaders } from 'node:http'
import {
  BrokenCircuitError,
  type BulkheadPolicy,
  BulkheadRejectedError,
  bulkhead,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen
} from 'cockatiel'
import { type buildConnector, Pool } from 'undici'
import { OutboundError, reasonOf, timedOut } from './errors.ts'

/** What one host is given. */
export interface HostLimits {
  /** Calls, and connections, at once. */
  concurrency: number
  /** Calls that may wait for their turn. */
  waiting: number
  /** How long the server may take for the headers, and between two parts of the body, in milliseconds. */
  silenceMs: number
  /** After so many failures in a row the host is left alone. */
  failures: number
  /** For so long, in milliseconds; then one call tries whether it is back. */
  restMs: number
}

/** One try of a call. */
export interface Sending {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
  maxBytes: number
  /** Whether a longer body is cut off there, and not refused. */
  cut: boolean
  signal: AbortSignal
}

/** What a server answered, of whichever status. */
export interface OutboundAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** The connections to one host, the turns for them, and what is known of its health. */
export class Host {
  /** `rates.example:8080` */
  readonly name: string
  readonly #pool: Pool
  readonly #breaker: CircuitBreakerPolicy
  readonly #turns: BulkheadPolicy

  constructor(origin: string, connect: buildConnector.connector, limits: HostLimits) {
    this.name = new URL(origin).host
    this.#pool = new Pool(origin, {
      connect,
      connections: limits.concurrency,
      headersTimeout: limits.silenceMs,
      bodyTimeout: limits.silenceMs,
      // A pool that is forgotten is gone once its idle connections are.
      keepAliveMaxTimeout: 10_000,
      allowH2: false
    })
    // While one call tries whether the host is back, all but an answer means that it is not.
    const isFailure = (error: unknown) => this.isResting || hasFailed(error)
    this.#breaker = circuitBreaker(
      handleWhen(isFailure).orWhenResult((answer) => (answer as OutboundAnswer).status >= 500),
      { halfOpenAfter: limits.restMs, breaker: new ConsecutiveBreaker(limits.failures) }
    )
    this.#turns = bulkhead(limits.concurrency, limits.waiting)
  }

  /** Whether it failed so often that it is left alone. */
  get isResting(): boolean {
    return this.#breaker.state !== CircuitState.Closed
  }

  /** Sends a request when its turn comes. @throws OutboundError, or the reason of the signal. */
  async send(sending: Sending): Promise<OutboundAnswer> {
    try {
      return await this.#turns.execute(() => this.#breaker.execute(() => this.#dispatch(sending)), sending.signal)
    } catch (error) {
      if (error instanceof BrokenCircuitError)
        throw new OutboundError('open', `${this.name} failed several times in a row and is left alone for now.`)
      if (error instanceof BulkheadRejectedError)
        throw new OutboundError('busy', `Too many calls to ${this.name} wait already.`)
      throw error
    }
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #dispatch({ maxBytes, cut, body = '', ...request }: Sending): Promise<OutboundAnswer> {
    try {
      const answer = await this.#pool.request({ ...request, body: body || null })
      const parts: Buffer[] = []
      let size = 0
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        parts.push(part)
        size += part.length
        // Leaving the loop ends the connection, so that nothing more is read.
        if (size > maxBytes) break
      }
      if (size > maxBytes && !cut)
        throw new OutboundError('too_large', `${this.name} answered more than ${maxBytes} bytes.`)
      const text = Buffer.concat(parts).subarray(0, maxBytes).toString('utf8')
      return { status: answer.statusCode, headers: answer.headers, text }
    } catch (cause) {
      if (cause instanceof OutboundError) throw cause
      const { signal } = request
      if (signal.aborted) throw reasonOf(signal, this.name)
      if (TIMEOUTS.has(String((cause as NodeJS.ErrnoException).code))) throw timedOut(this.name, cause)
      throw new OutboundError('connection', `${this.name} could not be reached, or cut the connection.`, { cause })
    }
  }
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

// A call that its caller gave up says nothing about the host.
const hasFailed = (error: unknown) =>
  error instanceof OutboundError && (error.fault === 'timeout' || error.fault === 'connection')
