import type { ErrorCode } from './codes.ts'
import { retryAfterOf } from './retry.ts'

/** A value that the server refused. */
export interface Fault {
  in: string
  /** A JSON pointer to the value. */
  path: string
  code: string
  message: string
}

/** An answer that refuses. Its `code` is stable, and listed at `/docs/errors` of the server. */
export class ApiError<Code extends string = string> extends Error {
  override readonly name = 'ApiError'
  /** `HTTP_502` and the like where the answer has no code, as those of a proxy. */
  readonly code: Code
  readonly status: number
  readonly headers: Headers
  /** What belongs to the code, as the lines of an `OUT_OF_STOCK`. */
  readonly details: Record<string, unknown>
  /** Each value that was refused. */
  readonly faults: Fault[]
  readonly requestId: string | undefined
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, headers: Headers, body: unknown) {
    const { code, message, details, faults } = problemIn(body)
    super(message ?? `The server answered ${status}.`)
    this.code = (code ?? `HTTP_${status}`) as Code
    this.status = status
    this.headers = headers
    this.details = details
    this.faults = faults
    this.requestId = headers.get('x-request-id') ?? undefined
    this.retryAfterMs = retryAfterOf(headers)
  }
}

/** There was no answer, or it broke off. `cause` has the reason. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'

  constructor(cause: unknown) {
    super(`There is no answer: ${reasonOf(cause)}`, { cause })
  }
}

/** There was no answer, or no more of it, in time. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'

  constructor(timeoutMs: number) {
    super(`There was no answer within ${timeoutMs} ms.`)
  }
}

/**
 * Whether an error is an answer that refuses.
 * @param codes when there are some, with one of these codes.
 */
export function isApiError(error: unknown): error is ApiError
export function isApiError<Code extends ErrorCode>(error: unknown, ...codes: [Code, ...Code[]]): error is ApiError<Code>
export function isApiError(error: unknown, ...codes: string[]): boolean {
  return error instanceof ApiError && (codes.length === 0 || codes.includes(error.code))
}

interface ProblemParts {
  code: string | undefined
  message: string | undefined
  details: Record<string, unknown>
  faults: Fault[]
}

// A problem of RFC 9457 with a code, or an error of OAuth (RFC 6749, 5.2): its code is the error itself.
function problemIn(body: unknown): ProblemParts {
  const { error, error_description: description, detail, details } = objectIn(body)
  const { code, message, details: ofCode } = objectIn(error)
  return {
    code: textIn(error) ?? textIn(code),
    message: textIn(description) ?? textIn(message) ?? textIn(detail),
    details: objectIn(typeof error === 'string' ? body : ofCode),
    faults: Array.isArray(details) ? details : []
  }
}

const objectIn = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const textIn = (value: unknown) => (typeof value === 'string' ? value : undefined)

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string } }
  // Node says `fetch failed` and keeps the reason in the cause.
  return cause?.message || message || String(error)
}
