import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import type { HttpRequest } from './request.ts'
import type { Json } from './schema.ts'

/** What the server answered. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The body, where it is JSON. */
  json: Json | undefined
}

/** A request and what came of it: an answer, or the reason why there is none. */
export interface Exchange {
  request: HttpRequest
  answer: Answer | undefined
  failure?: string
}

const PATIENCE_MS = 30_000
const MAX_WAIT_MS = 120_000
const MAX_REPEATS = 20

/** Sends requests to one server, and waits where it asks for that. */
export class Client {
  readonly #server: URL
  readonly #agent: HttpAgent
  readonly #request: typeof httpRequest
  /** How many requests were sent. */
  sent = 0
  /** How many of them were put off by a 429 or 503. */
  postponed = 0

  constructor(server: string) {
    this.#server = new URL(server)
    const isSecure = this.#server.protocol === 'https:'
    this.#agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
    this.#request = isSecure ? httpsRequest : httpRequest
  }

  close(): void {
    this.#agent.destroy()
  }

  /**
   * Sends a request. 429, and 503 with `Retry-After`, are waited for and sent again, two minutes in all at most. A kept
   * connection that the server closed at the same moment is no failure: the request is sent on a new one.
   * @param patienceMs how long the connection may be silent.
   */
  async send(request: HttpRequest, patienceMs = PATIENCE_MS): Promise<Exchange> {
    let exchange = await this.#once(request, patienceMs)
    let pauseMs = pauseOf(exchange)
    for (let repeats = 0, waitedMs = 0; pauseMs !== undefined && repeats < MAX_REPEATS; repeats += 1) {
      waitedMs += pauseMs
      if (waitedMs > MAX_WAIT_MS) break
      this.postponed += 1
      await wait(pauseMs)
      exchange = await this.#once(request, patienceMs)
      pauseMs = pauseOf(exchange)
    }
    return exchange
  }

  async #once(request: HttpRequest, patienceMs: number, mayRepeat = true): Promise<Exchange> {
    this.sent += 1
    const { method, target, headers, body } = request
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    return new Promise((resolve) => {
      const sending = this.#request(
        {
          protocol: this.#server.protocol,
          host: this.#server.hostname.replace(/^\[|\]$/g, ''),
          port: this.#server.port,
          path: this.#server.pathname.replace(/\/$/, '') + target,
          method,
          headers: { ...headers, ...length },
          agent: this.#agent,
          timeout: patienceMs
        },
        (response) => {
          const parts: Buffer[] = []
          const done = (failure?: string) => {
            const answer = answerOf(response.statusCode as number, response.headers, Buffer.concat(parts))
            resolve(failure === undefined ? { request, answer } : { request, answer: undefined, failure })
          }
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('end', () => done())
          response.on('error', (error) => done(`the answer broke off: ${error.message}`))
        }
      )
      sending.on('timeout', () => sending.destroy(new Error(`no answer within ${patienceMs / 1000} s`)))
      // After the answer this changes nothing: a promise settles once. A large body may be refused before it is read.
      sending.on('error', (error) => {
        if (mayRepeat && sending.reusedSocket) resolve(this.#once(request, patienceMs, false))
        else resolve({ request, answer: undefined, failure: error.message })
      })
      sending.end(body)
    })
  }
}

/** Whether what a DELETE named is not there any more. */
export const isGone = (status: number | undefined) =>
  status !== undefined && (status < 300 || status === 404 || status === 410)

function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString('utf8')
  const isJson = /[/+]json\b/.test(headers['content-type'] ?? '')
  return { status, headers, text, json: isJson ? parsed(text) : undefined }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** How long an answer asks to wait: seconds or a date in `Retry-After`; a second for a 429 without it. */
function pauseOf({ answer }: Exchange): number | undefined {
  if (!answer) return undefined
  const { status, headers } = answer
  const asked = headers['retry-after']
  if (status !== 429 && (status !== 503 || asked === undefined)) return undefined
  const seconds = Number(asked ?? 1)
  const pauseMs = Number.isNaN(seconds) ? Date.parse(asked as string) - Date.now() : seconds * 1000
  return Number.isFinite(pauseMs) ? Math.max(0, pauseMs) : 1000
}
