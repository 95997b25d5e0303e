import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'

/** A request. */
export interface Call {
  method?: string
  path: string
  headers?: OutgoingHttpHeaders
  body?: object | string
}

/** What came of it. */
export interface Answer {
  /** 0 when there was no answer. */
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** When it was sent, by the clock of `performance`. */
  sentAt: number
  ms: number
  error?: string
}

const PATIENCE_MS = 30_000
const TICK_MS = 5

/** A pool of keep-alive connections without a bound: an open loop never waits for a connection. */
export const openAgent = () => new Agent({ keepAlive: true, maxFreeSockets: 1000 })

/** Sends a request and reads the whole answer. Never throws. */
export function send(agent: Agent, url: string, { method = 'GET', path, headers, body }: Call): Promise<Answer> {
  const sentAt = performance.now()
  return new Promise((resolve) => {
    const settle = (answer: Pick<Answer, 'status' | 'headers' | 'body'> & { error?: string }) =>
      resolve({ ...answer, sentAt, ms: performance.now() - sentAt })
    const failed = (error: Error & { code?: string }) =>
      settle({ status: 0, headers: {}, body: '', error: error.code ?? error.message })
    const text = typeof body === 'object' ? JSON.stringify(body) : body
    const request = httpRequest(
      url + path,
      {
        method,
        agent,
        timeout: PATIENCE_MS,
        headers: { ...(text !== undefined && { 'content-type': 'application/json' }), ...headers }
      },
      (response) => {
        let read = ''
        response.setEncoding('utf8').on('data', (chunk) => {
          read += chunk
        })
        response.on('error', failed)
        response.on('end', () =>
          settle({ status: response.statusCode as number, headers: response.headers, body: read })
        )
      }
    )
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')))
    request.on('error', failed)
    request.end(text)
  })
}

/** A load that goes on until it is stopped. */
export interface Load {
  answers: Answer[]
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<Answer[]>
}

/**
 * An open loop: so many requests a second are sent, however long the answers take.
 * @param next sends the nth.
 */
export function startLoad(rate: number, next: (n: number) => Promise<Answer>): Load {
  const answers: Answer[] = []
  const underWay = new Set<Promise<unknown>>()
  const startedAt = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedAt) / 1000) * rate; sent < due; sent += 1) {
      const one: Promise<unknown> = next(sent).then((answer) => {
        answers.push(answer)
        underWay.delete(one)
      })
      underWay.add(one)
    }
  }, TICK_MS)
  return {
    answers,
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      return answers
    }
  }
}

/** One request after the other, each so long after the last, until stopped. */
export function startProbe(everyMs: number, probe: () => Promise<Answer>): Load {
  const answers: Answer[] = []
  let isStopped = false
  async function go(): Promise<void> {
    while (!isStopped) {
      answers.push(await probe())
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }
  const gone = go()
  return {
    answers,
    async stop() {
      isStopped = true
      await gone
      return answers
    }
  }
}

/** The longest of some times, in milliseconds; 0 of none. */
export const longest = (answers: Answer[]): number => answers.reduce((most, { ms }) => Math.max(most, ms), 0)

/** The time that all but one in a hundred stay under, in milliseconds. */
export function p99(answers: Answer[]): number {
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b)
  return times[Math.ceil(times.length * 0.99) - 1] ?? 0
}

export const isOk = ({ status }: Answer): boolean => status >= 200 && status < 300

/** How often each status came, most first; what had no answer by its error. */
export function tally(answers: Answer[]): string {
  const counts = new Map<string, number>()
  for (const { status, error } of answers) {
    const name = status === 0 ? (error as string) : String(status)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${count.toLocaleString('en')} × ${name}`)
    .join(', ')
}
