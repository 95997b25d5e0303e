import { AnswerCache } from './cache.ts'

/** What proves to the server which user or service is calling. */
export interface Credential {
  /**
   * The headers that carry it.
   * @param atHand only what is there without asking the server.
   * @param signal ends the waiting of this call.
   */
  headers(client: Client, atHand: boolean, signal: AbortSignal | undefined): Promise<Record<string, string>>
  /**
   * Called when the server refuses headers with 401.
   * @returns whether there are others by now.
   */
  renew?(client: Client, refused: Record<string, string>, signal: AbortSignal | undefined): Promise<boolean>
}

/** An attempt that failed and will be repeated. */
export interface Retry {
  method: string
  path: string
  /** How many attempts failed, from 1. */
  failures: number
  pauseMs: number
  error: unknown
}

/** How a call waits for its answer. */
export interface Patient {
  /** How long one attempt may take, and a stream may be silent (30,000). The server stops its work then, too. */
  timeoutMs?: number | undefined
  /** How long all attempts together may take, with the pauses in between (120,000). */
  deadlineMs?: number | undefined
  /** How many more attempts a call has, where they are safe (8). */
  maxRetries?: number | undefined
}

/** What a client is made of. */
export interface ClientOptions extends Patient {
  /** Where the server is: `https://api.example.com`. */
  baseUrl: string
  /** `apiKey(…)`, `login(…)` or `bearer(…)`; without one, calls are anonymous. */
  credential?: Credential | undefined
  /** Sent with every request. */
  headers?: Record<string, string> | (() => Record<string, string>) | undefined
  /** How many answers are kept to be asked for with `If-None-Match` (200); 0 for none. */
  cachedAnswers?: number | undefined
  /** How long their texts may be together (4,000,000). */
  cachedLength?: number | undefined
  /** Told before each repetition. */
  onRetry?: ((retry: Retry) => void) | undefined
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
}

/** What all calls share. Make it once for each server and credential. */
export interface Client {
  readonly baseUrl: string
  readonly credential: Credential | undefined
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly maxRetries: number
  readonly cache: AnswerCache
  readonly headers: () => Record<string, string>
  readonly onRetry: (retry: Retry) => void
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
}

/** Makes a client. It sends nothing yet. @throws TypeError when `baseUrl` is no URL. */
export function createClient(options: ClientOptions): Client {
  // A page may call its own origin by an empty one.
  if (options.baseUrl !== '' && !options.baseUrl.startsWith('/')) new URL(options.baseUrl)
  const { headers = {}, cachedAnswers = 200, cachedLength = 4_000_000 } = options
  return {
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
    credential: options.credential,
    timeoutMs: options.timeoutMs ?? 30_000,
    deadlineMs: options.deadlineMs ?? 120_000,
    maxRetries: options.maxRetries ?? 8,
    cache: new AnswerCache(cachedAnswers, cachedLength),
    headers: typeof headers === 'function' ? headers : () => headers,
    onRetry: options.onRetry ?? (() => {}),
    // Browsers refuse `fetch` as the method of another object.
    fetch: options.fetch ?? ((url, init) => fetch(url, init))
  }
}
