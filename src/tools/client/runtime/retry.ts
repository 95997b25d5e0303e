const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000

/** How long an answer asks to wait, in milliseconds: seconds or a date in `Retry-After` (RFC 9110, 10.2.3). */
export function retryAfterOf(headers: Headers, now: number = Date.now()): number | undefined {
  const asked = headers.get('retry-after')
  if (asked === null) return undefined
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/**
 * How long to wait before the next attempt. The pauses double, and at least half of each is random: clients that were cut
 * off together come back one after the other. What the server asks for is never cut short.
 * @param failures how many attempts failed in a row, from 1.
 */
export function pauseBefore(failures: number, retryAfterMs: number | undefined): number {
  const ceiling = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1))
  const random = (ceiling / 2) * (1 + Math.random())
  return retryAfterMs === undefined ? random : retryAfterMs + random
}

// 409 is here by its code alone: the answer to the first attempt was lost, and it is still under way.
const TRANSIENT = [429, 502, 503, 504]

/** Whether the same request may succeed later, as its answer says. */
export const isTransient = (status: number, code: string): boolean =>
  TRANSIENT.includes(status) || code === 'IDEMPOTENCY_IN_PROGRESS'

/** Waits. @throws the reason of the signal, when that is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** A promise that the caller may leave. What it waits for goes on, for others that wait for the same. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
