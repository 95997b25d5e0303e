import type { Client, Patient } from './client.ts'
import { ApiError, ConnectionError, TimeoutError } from './errors.ts'
import { Patience } from './patience.ts'
import { isTransient, pause, pauseBefore } from './retry.ts'

/** The options of every call. */
export interface CallOptions extends Patient {
  signal?: AbortSignal | undefined
  headers?: Record<string, string> | undefined
}

/** What `fetch` takes as a body. */
export type Content = NonNullable<RequestInit['body']>

/** A request as it goes out. */
export interface Outgoing {
  method: string
  /** With its query. */
  path: string
  headers: Record<string, string>
  /** Makes the body anew for each attempt. It may end the attempt for a reason that no repetition helps. */
  body?: ((patience: Patience) => Content | Promise<Content>) | undefined
  /** Whether a second attempt does no harm. */
  isRepeatable: boolean
  /** Whether the request or its answer is a stream, of any length. */
  isStream: boolean
  /** Whether the server is asked for a credential first, or only what is at hand is sent. */
  credential: 'needed' | 'at hand' | 'none'
}

/** Takes an answer within the time of its attempt. It ends the patience, at once or with its stream. */
export type Reader<T> = (response: Response, patience: Patience) => T | Promise<T>

const IDEMPOTENT = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']

/** Whether a second attempt does no harm: the method is idempotent (RFC 9110, 9.2.2), or the server knows it by its key. */
export const isRepeatable = (method: string, headers: Record<string, string>): boolean =>
  IDEMPOTENT.includes(method) || headers['idempotency-key'] !== undefined

/**
 * Sends a request until it has an answer that sending it again would not change.
 * @throws ApiError for an answer from 400 up, ConnectionError or TimeoutError for none, the reason of an aborted signal.
 */
export async function exchange<T>(
  client: Client,
  outgoing: Outgoing,
  options: CallOptions,
  read: Reader<T>
): Promise<T> {
  const { signal, deadlineMs = client.deadlineMs, maxRetries = client.maxRetries } = options
  const endsAt = Date.now() + deadlineMs
  let [failures, hasRenewed] = [0, false]
  let result: { of: T } | undefined
  while (!result) {
    signal?.throwIfAborted()
    const authorized = await authorize(client, outgoing, signal)
    try {
      result = { of: await attempt(client, outgoing, options, authorized, read) }
    } catch (error) {
      if (isRefused(error) && !hasRenewed && canSendAgain(outgoing)) {
        hasRenewed = true
        if (await client.credential?.renew?.(client, authorized, signal)) continue
      }
      failures += 1
      if (!outgoing.isRepeatable || !isPassing(error) || failures > maxRetries) throw error
      const pauseMs = pauseBefore(failures, error instanceof ApiError ? error.retryAfterMs : undefined)
      if (Date.now() + pauseMs > endsAt) throw error
      client.onRetry({ method: outgoing.method, path: outgoing.path, failures, pauseMs, error })
      await pause(pauseMs, signal)
    }
  }
  return result.of
}

const isRefused = (error: unknown) => error instanceof ApiError && error.status === 401

// A 401 comes before anything is done, so what is not idempotent may be sent again; a stream that was read may not.
const canSendAgain = ({ credential, isRepeatable, isStream }: Outgoing) =>
  credential === 'needed' && (isRepeatable || !isStream)

const isPassing = (error: unknown) =>
  error instanceof ApiError
    ? isTransient(error.status, error.code)
    : error instanceof ConnectionError || error instanceof TimeoutError

async function authorize(client: Client, { credential }: Outgoing, signal: AbortSignal | undefined) {
  if (credential === 'none' || !client.credential) return {}
  return client.credential.headers(client, credential === 'at hand', signal)
}

async function attempt<T>(
  client: Client,
  { method, path, headers, body, isStream }: Outgoing,
  options: CallOptions,
  authorized: Record<string, string>,
  read: Reader<T>
): Promise<T> {
  const { timeoutMs = client.timeoutMs } = options
  // The server stops its work when this client does. How long a stream takes is not known before.
  const isTimed = !isStream && Number.isFinite(timeoutMs)
  const sent = new Headers(isTimed ? { 'request-timeout': String(timeoutMs / 1000) } : {})
  for (const some of [client.headers(), headers, options.headers ?? {}, authorized])
    for (const [name, value] of Object.entries(some)) sent.set(name, value)
  const patience = new Patience(timeoutMs, options.signal)
  try {
    const content = await body?.(patience)
    const init: RequestInit & { duplex?: 'half' } = {
      method,
      headers: sent,
      signal: patience.signal,
      ...(content !== undefined && { body: content }),
      ...(content instanceof ReadableStream && { duplex: 'half' })
    }
    const response = await connected(client.fetch(client.baseUrl + path, init))
    if (response.status < 400) return await read(response, patience)
    throw new ApiError(response.status, response.headers, parsed(await textOf(response)))
  } catch (error) {
    // What a runtime throws for a request that was aborted differs; the reason does not.
    const reason = error instanceof ConnectionError && patience.signal.aborted ? patience.signal.reason : error
    patience.end()
    // A server may refuse before it has read the whole body.
    patience.fail(reason)
    throw reason
  }
}

/** The result of something that reads from the network. @throws ConnectionError */
export const connected = <T>(reading: Promise<T>): Promise<T> =>
  reading.catch((error) => {
    throw new ConnectionError(error)
  })

/** The text of an answer. @throws ConnectionError when it breaks off. */
export const textOf = (response: Response): Promise<string> => connected(response.text())

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
