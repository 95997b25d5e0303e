import type { OutboundAnswer } from './host.ts'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const PASSING = new Set([429, 502, 503, 504])
const FIRST_PAUSE_MS = 200
/** A server that wants more patience than this is not waited for: the caller gets its answer. */
export const MAX_PAUSE_MS = 10_000

/** Whether a request may be sent twice (RFC 9110, section 9.2.2). */
export const isRepeatable = (method: string): boolean => SAFE.has(method)

/** Whether the same request may soon have another answer. */
export const isPassing = ({ status }: OutboundAnswer): boolean => PASSING.has(status)

/** The pause before a repetition, in milliseconds: twice as long each time, and different for each client. */
export const pauseMs = (repetition: number): number => FIRST_PAUSE_MS * 2 ** repetition * (0.5 + Math.random() / 2)

/** How long the server asks to wait (`Retry-After`, seconds or a date), in milliseconds; undefined when it does not. */
export function retryAfterMs({ headers }: OutboundAnswer): number | undefined {
  const text = headers['retry-after']
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
