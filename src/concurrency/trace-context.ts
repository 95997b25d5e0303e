import { randomBytes } from 'node:crypto'
import { currentScope } from './request-scope.ts'

/** Where a request stands in a trace that its caller began (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string
  /** The caller's span, 16 hexadecimal digits. */
  parentId: string
  /** 2 hexadecimal digits, `01` where the caller records the trace. */
  flags: string
}

const SHAPE = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * Reads `traceparent`. Undefined for what is not one, as the standard wants: the trace is not continued then. A version
 * after 00 may have more at its end, 00 may not; ff is none.
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

/** A trace as a header says it, with a span of this process in it. */
export const traceparentOf = ({ traceId, flags }: TraceContext): string => `00-${traceId}-${nextSpanId()}-${flags}`

// The standard lets at most 512 characters be passed on; what is longer is left out as a whole.
const MAX_STATE = 512

/**
 * What a call to another service sends along, and what is stored with work that outlives the request: the trace that the
 * request under way belongs to. Nothing outside of a request, or where its caller began no trace.
 */
export function outboundTraceHeaders(): Record<string, string> {
  const headers = currentScope()?.headers
  const trace = parseTraceparent(headers?.traceparent)
  if (!trace) return {}
  const state = headers?.tracestate
  const isKept = typeof state === 'string' && state.length <= MAX_STATE && /^[ -~]+$/.test(state)
  return { traceparent: traceparentOf(trace), ...(isKept && { tracestate: state }) }
}
