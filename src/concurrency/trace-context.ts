import { randomBytes } from 'node:crypto'
import { currentScope } from './request-scope.ts'

/** The place of a request in a trace that its client began (W3C Trace Context, level 1). */
interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string
  /** The client's span, 16 hexadecimal digits. */
  parentId: string
  /** 2 hexadecimal digits, `01` where the client records the trace. */
  flags: string
}

const SHAPE = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * Reads `traceparent`. Undefined for an invalid one: the standard says not to continue the trace then. A version after
 * 00 may have more at its end, 00 may not; ff is invalid.
 */
export function parseTraceparent(header: string | string[] | undefined): TraceContext | undefined {
  if (typeof header !== 'string') return undefined
  const [, version, traceId, parentId, flags, more] = SHAPE.exec(header) ?? []
  if (!traceId || !parentId || !flags || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return /^0+$/.test(traceId) || /^0+$/.test(parentId) ? undefined : { traceId, parentId, flags }
}

// Unique without a random number for each: a random start for the process, and a counter.
const spans = { start: randomBytes(4).toString('hex'), count: 0 }

/** The id of a span of this process, 16 hexadecimal digits. */
export function nextSpanId(): string {
  spans.count = (spans.count + 1) % 0x1_0000_0000
  return spans.start + spans.count.toString(16).padStart(8, '0')
}

/** The `traceparent` header of a trace, with a new span of this process. */
export const traceparentOf = ({ traceId, flags }: TraceContext): string => `00-${traceId}-${nextSpanId()}-${flags}`

// The standard lets at most 512 characters be passed on; a longer state is left out as a whole.
const MAX_STATE = 512

/**
 * The headers for a call to another service, also stored with work that outlives the request: the trace of the current
 * request. Empty outside of a request, or when its client began no trace.
 */
export function outboundTraceHeaders(): Record<string, string> {
  const headers = currentScope()?.headers
  const trace = parseTraceparent(headers?.traceparent)
  if (!trace) return {}
  const state = headers?.tracestate
  const isKept = typeof state === 'string' && state.length <= MAX_STATE && /^[ -~]+$/.test(state)
  return { traceparent: traceparentOf(trace), ...(isKept && { tracestate: state }) }
}
