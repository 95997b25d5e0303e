import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { currentScope, deadlineExceeded, watchScope } from '../concurrency/request-scope.ts'
import { outboundTraceHeaders } from '../concurrency/trace-context.ts'
import { unlessAborted } from '../concurrency/unless-aborted.ts'
import type { Network } from '../schema/networks.ts'
import { connectAnywhere, connectGuarded, type Resolve, resolver } from './connect.ts'
import { OutboundError, reasonOf } from './errors.ts'
import { Host, type HostLimits, type OutboundAnswer } from './host.ts'
import { isPassing, isRepeatable, MAX_PAUSE_MS, pauseMs, retryAfterMs } from './repeat.ts'

/** A call, besides its URL. */
export interface OutboundRequest {
  /** GET when left out. */
  method?: string
  headers?: Record<string, string>
  body?: string
  /** Whether the server takes the same request twice as once, although the method does not say so. */
  isIdempotent?: boolean
  /** How often a request that may be repeated is repeated at most; 2 when left out. */
  repetitions?: number
  /** For the whole call, repetitions and pauses included, in milliseconds; 10 s when left out. */
  timeoutMs?: number
  /** The longest body of an answer; 1 MiB when left out. */
  maxBytes?: number
  /** Whether a longer body is cut off there; otherwise it is an error. */
  cut?: boolean
  /** How many redirects of a GET or HEAD are followed; none when left out, and the answer is the redirect. */
  redirects?: number
  /** For a URL that a caller of the API chose: only public addresses are called, and those that the settings allow. */
  guard?: boolean
  /** Calls of one group share connections, turns and the breaker with each other only, not with others of the host. */
  group?: string
  signal?: AbortSignal
}

/** How a call ended, for metrics. */
export interface OutboundCall {
  /** `rates.example:8080`, or `guarded`: the hosts of guarded calls are values of callers. */
  host: string
  /** `2xx`, or the fault of the OutboundError. */
  outcome: string
  seconds: number
}

export interface OutboundOptions {
  /** Addresses that guarded calls may go to although they are not public. */
  allowed?: readonly Network[]
  resolve?: Resolve
  limits?: Partial<HostLimits>
  connectMs?: number
  onCall?: (call: OutboundCall) => void
}

const LIMITS: HostLimits = { concurrency: 10, waiting: 100, silenceMs: 10_000, failures: 5, restMs: 5000 }
const CONNECT_MS = 3000
const TIMEOUT_MS = 10_000
const MAX_BYTES = 1_048_576
const MAX_HOSTS = 500

/** Calls other services over HTTP. */
export class Outbound {
  readonly #limits: HostLimits
  readonly #onCall: (call: OutboundCall) => void
  readonly #connect
  // Apart, so that those that callers choose never push out others.
  readonly #hosts = {
    open: new LRUCache<string, Host>({ max: MAX_HOSTS }),
    guarded: new LRUCache<string, Host>({ max: MAX_HOSTS })
  }
  #isClosed = false

  constructor({ allowed = [], resolve = resolver(), limits, connectMs = CONNECT_MS, onCall }: OutboundOptions = {}) {
    this.#limits = { ...LIMITS, ...limits }
    this.#onCall = onCall ?? (() => {})
    this.#connect = { open: connectAnywhere(connectMs), guarded: connectGuarded(connectMs, allowed, resolve) }
  }

  /**
   * Sends a request, in the trace of the current one and until its deadline. What may be repeated is, after a failure that
   * may pass.
   * @returns the answer, of whichever status.
   * @throws OutboundError without an answer. @throws the reason of the signal.
   */
  async request(url: string, options: OutboundRequest = {}): Promise<OutboundAnswer> {
    const { redirects = 0, timeoutMs = TIMEOUT_MS, signal } = options
    const scope = currentScope()
    const left = new AbortController()
    const unwatch =
      scope &&
      watchScope(scope, () => {
        left.abort(deadlineExceeded())
        return true
      })
    const ends = [AbortSignal.timeout(timeoutMs), left.signal, ...(signal ? [signal] : [])]
    try {
      return await this.#follow(targetOf(url), options, redirects, AbortSignal.any(ends))
    } finally {
      unwatch?.()
    }
  }

  /** The hosts that are left alone because they failed; `guarded` once for each of those. */
  resting(): string[] {
    const resting = (hosts: Iterable<Host>) => [...hosts].filter((host) => host.isResting)
    const { open, guarded } = this.#hosts
    return [...resting(open.values()).map(({ name }) => name), ...resting(guarded.values()).map(() => 'guarded')]
  }

  /** Ends all calls, and all connections. */
  async close(): Promise<void> {
    this.#isClosed = true
    const { open, guarded } = this.#hosts
    await Promise.all([...open.values(), ...guarded.values()].map((host) => host.close()))
  }

  async #follow(
    target: URL,
    options: OutboundRequest,
    redirects: number,
    signal: AbortSignal
  ): Promise<OutboundAnswer> {
    const answer = await this.#repeat(target, options, signal)
    const { method = 'GET', headers = {} } = options
    const { location } = answer.headers
    const isRedirect = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined
    if (redirects === 0 || !isRedirect || !['GET', 'HEAD'].includes(method)) return answer
    const next = targetOf(location, target)
    // Another host must not get what authenticates to the first.
    const kept = next.origin === target.origin ? headers : withoutCredentials(headers)
    return this.#follow(next, { ...options, headers: kept }, redirects - 1, signal)
  }

  async #repeat(target: URL, options: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> {
    const { method = 'GET', isIdempotent = isRepeatable(method), repetitions = 2 } = options
    const most = isIdempotent ? repetitions : 0
    for (let repetition = 0; ; repetition += 1) {
      let pause = pauseMs(repetition)
      try {
        const answer = await this.#send(target, options, signal)
        pause = retryAfterMs(answer) ?? pause
        if (repetition === most || !isPassing(answer) || pause > MAX_PAUSE_MS) return answer
      } catch (error) {
        const mayPass = error instanceof OutboundError && ['timeout', 'connection'].includes(error.fault)
        if (repetition === most || !mayPass || signal.aborted) throw error
      }
      await sleep(pause, undefined, { signal }).catch(() => {
        throw reasonOf(signal, target.host)
      })
    }
  }

  async #send(target: URL, options: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> {
    const { method = 'GET', headers, body, maxBytes = MAX_BYTES, cut = false } = options
    const startedAt = performance.now()
    const end = (outcome: string) =>
      this.#onCall({
        host: options.guard ? 'guarded' : target.host,
        outcome,
        seconds: (performance.now() - startedAt) / 1000
      })
    try {
      if (this.#isClosed) throw new OutboundError('connection', 'The process ends.')
      const sending = {
        method,
        path: target.pathname + target.search,
        headers: { 'user-agent': 'Tenon', ...outboundTraceHeaders(), ...headers },
        body,
        maxBytes,
        cut,
        signal
      }
      const answer = await unlessAborted(signal, this.#hostOf(target, options).send(sending))
      end(`${Math.floor(answer.status / 100)}xx`)
      return answer
    } catch (error) {
      const explained = signal.aborted ? reasonOf(signal, target.host) : error
      end(explained instanceof OutboundError ? explained.fault : 'aborted')
      throw explained
    }
  }

  #hostOf({ origin }: URL, { guard, group }: OutboundRequest): Host {
    const kind = guard ? 'guarded' : 'open'
    const key = group === undefined ? origin : `${origin} ${group}`
    let host = this.#hosts[kind].get(key)
    if (!host) {
      host = new Host(origin, this.#connect[kind], this.#limits)
      this.#hosts[kind].set(key, host)
    }
    return host
  }
}

// The parser gives decimal, octal and hexadecimal addresses their usual form, so that the check when connecting sees it.
function targetOf(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (!url || !/^https?:$/.test(url.protocol)) throw new OutboundError('forbidden', 'The URL is none of http or https.')
  if (url.username || url.password) throw new OutboundError('forbidden', 'The URL has a user or a password in it.')
  return url
}

const withoutCredentials = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(authorization|cookie|x-api-key)$/i.test(name)))
