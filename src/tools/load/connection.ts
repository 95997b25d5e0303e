import { Client } from 'undici'

/** An answer: of a success only what was asked for is kept. */
export interface LoadAnswer {
  /** 0 where there was no answer. */
  status: number
  text: string
  /** The `Server-Timing` header, if it has one. */
  timing: string | undefined
  /** Why there was no answer. */
  failure: string
}

/** A request as it goes to a connection. */
export interface LoadRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
  /** Whether the body of a success is wanted. */
  isKept: boolean
}

/**
 * One connection to a server, on which requests follow one another. It uses undici's `dispatch`, without its promises and
 * streams: 70,000 requests a second on one core, where `node:http` sends 36,000 and autocannon 77,000.
 */
export class Connection {
  readonly #client: Client

  constructor(origin: string, timeoutMs: number) {
    this.#client = new Client(origin, {
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs }
    })
  }

  /** Sends a request. @param done called once, with the answer or the reason why there is none. */
  send({ method, path, headers, body, isKept }: LoadRequest, done: (answer: LoadAnswer) => void): void {
    const answer: LoadAnswer = { status: 0, text: '', timing: undefined, failure: '' }
    const parts: Buffer[] = []
    this.#client.dispatch(
      { method: method as 'GET', path, headers, body: body ?? null },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, fields) {
          answer.status = status
          answer.timing = fields['server-timing'] as string | undefined
        },
        onResponseData(_controller, part) {
          if (isKept || answer.status >= 400) parts.push(part)
        },
        onResponseEnd() {
          if (parts.length > 0) answer.text = Buffer.concat(parts).toString()
          done(answer)
        },
        onResponseError(_controller, error) {
          answer.status = 0
          answer.failure = String((error as NodeJS.ErrnoException).code)
          done(answer)
        }
      }
    )
  }

  close(): Promise<void> {
    return this.#client.destroy()
  }
}
