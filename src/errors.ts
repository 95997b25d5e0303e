/**
 * Every error code of Tenon's answers, with its status and meaning. Codes are stable: clients branch on them.
 * `/docs/errors` is made from this table.
 */
export const catalogue = {
  BAD_REQUEST: [400, 'Bad request', 'The request could not be understood: its syntax, URL or headers are broken.'],
  INVALID_JSON: [400, 'Invalid JSON', 'The body is not well-formed JSON in UTF-8.'],
  UNKNOWN_PREFERENCE: [400, 'Unknown preference', 'Prefer has handling=strict, and something that is not known here.'],
  INVALID_CURSOR: [400, 'Invalid cursor', 'The cursor was altered, or belongs to another list or another sort.'],
  UNAUTHENTICATED: [401, 'Not authenticated', 'A credential is needed, or the one that was sent is not valid.'],
  SECOND_FACTOR_REQUIRED: [
    401,
    'Second factor required',
    'The password was right, and the user has a second factor: send the challenge in details with a code.'
  ],
  REGISTRATION_CLOSED: [403, 'Registration closed', 'Nobody can make an account here for themselves.'],
  MAIL_OFF: [403, 'No mail', 'This server sends no mail: ask its administrator to set a new password, or MAIL_URL.'],
  FORBIDDEN: [403, 'Forbidden', 'The credential is valid but lacks the scope that is named.'],
  NOT_FOUND: [404, 'Not found', 'There is no such resource, or it belongs to somebody else.'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed', 'The path exists, but not with this method. See the Allow header.'],
  NOT_ACCEPTABLE: [406, 'Not acceptable', 'None of the media types in Accept is one that this route answers with.'],
  REQUEST_TIMEOUT: [408, 'Request timeout', 'The request did not arrive in full within the time allowed.'],
  CONFLICT: [409, 'Conflict', 'The change contradicts what is stored: a value that must be unique is taken.'],
  REFERENCE_CONFLICT: [409, 'Reference conflict', 'What is referenced does not exist, or is still in use elsewhere.'],
  OUT_OF_STOCK: [409, 'Out of stock', 'There is less stock than was ordered. The lines are named in details.'],
  INVALID_TRANSITION: [409, 'Invalid transition', 'It is not in a state from which this step is possible.'],
  TOO_MANY_AFFECTED: [409, 'Too many affected', 'More rows match than max-affected allows. Nothing was changed.'],
  IDEMPOTENCY_IN_PROGRESS: [
    409,
    'Request in progress',
    'The first request with this Idempotency-Key is still under way. Its answer is there after Retry-After.',
    1
  ],
  EVENTS_GONE: [
    410,
    'Events gone',
    'Events after this place are not kept any more: it is older than EVENT_RETENTION_DAYS, or the database was restored. Read what you need anew, and follow from now on.'
  ],
  PRECONDITION_FAILED: [412, 'Precondition failed', 'The resource changed since the ETag in If-Match was read.'],
  PAYLOAD_TOO_LARGE: [413, 'Payload too large', 'The body is larger than this route accepts.'],
  URI_TOO_LONG: [414, 'URI too long', 'The URL is longer than the server accepts.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Unsupported media type', 'The body has a Content-Type that this route does not take.'],
  VALIDATION_FAILED: [
    422,
    'Validation failed',
    'The request parses but breaks its schema or a rule. Every fault is listed.'
  ],
  IDEMPOTENCY_KEY_REUSED: [
    422,
    'Idempotency-Key reused',
    'This Idempotency-Key was used for another request in the last 24 hours. A new request needs a new key.'
  ],
  PRECONDITION_REQUIRED: [
    428,
    'Precondition required',
    'This resource is only changed with If-Match: read it, and send its ETag along.'
  ],
  TOO_MANY_REQUESTS: [
    429,
    'Too many requests',
    'There were too many requests or attempts. Try again after Retry-After.',
    1
  ],
  HEADERS_TOO_LARGE: [431, 'Headers too large', 'The request headers are larger than the server accepts.'],
  INTERNAL: [500, 'Internal error', 'Something failed on our side. The request id finds it in the logs.'],
  UNAVAILABLE: [
    503,
    'Unavailable',
    'The database cannot be reached or the server is stopping. Try again after Retry-After.',
    1
  ],
  DEADLINE_EXCEEDED: [
    503,
    'Deadline exceeded',
    'The time that Request-Timeout or the route gives was over; what was under way for nobody else was stopped. Try again later, or with more.',
    1
  ],
  RATES_UNAVAILABLE: [
    503,
    'Exchange rates unavailable',
    'The order needs an exchange rate, and the service for them does not answer. Nothing was ordered.',
    5
  ],
  OVERLOADED: [503, 'Overloaded', 'Too many requests wait already. Nothing was done. Try again after Retry-After.', 1]
} as const satisfies Record<string, CatalogueEntry>

/** `retryAfter`, in seconds, is set where the same request may succeed later: such answers have `Retry-After`. */
type CatalogueEntry = readonly [status: number, title: string, meaning: string, retryAfter?: number]

export type ErrorCode = keyof typeof catalogue

/** One fault of a request: its part, the place in it (a JSON pointer), a stable code, and a sentence. */
export interface Fault {
  in: 'body' | 'query' | 'path' | 'headers'
  path: string
  code: string
  message: string
}

interface ErrorExtras {
  /** Every fault found, for `details` of the answer. */
  faults?: Fault[]
  /** Machine-readable facts for `error.details`. */
  facts?: Record<string, unknown>
  /** When to try again, in seconds, where the catalogue's value is not exact. */
  retryAfter?: number
  /** Headers to send with the answer, such as Allow. */
  headers?: Record<string, string>
  /** Details for the log line only, not for the answer: the header, the setting, the bound. */
  log?: Record<string, string | number>
  cause?: unknown
}

/** An error with an answer: thrown where it is known, written by plugins/errors.ts. The message is for the client. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: ErrorCode
  readonly statusCode: number
  readonly faults: Fault[]
  readonly facts: Record<string, unknown>
  readonly headers: Record<string, string>
  readonly log: Record<string, string | number>

  constructor(code: ErrorCode, message: string = catalogue[code][2], extras: ErrorExtras = {}) {
    const { stackTraceLimit } = Error
    // An import can have a million refusals: making their stack traces would take longer than all other work.
    if (catalogue[code][0] < 500) Error.stackTraceLimit = 0
    super(message, { cause: extras.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.statusCode = catalogue[code][0]
    this.faults = extras.faults ?? []
    this.facts = extras.facts ?? {}
    this.log = extras.log ?? {}
    const retryAfter = extras.retryAfter ?? (catalogue[code] as CatalogueEntry)[3]
    this.headers = { ...extras.headers, ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }) }
  }
}

/** A 422 with its faults, and a message with their number. */
export function validationFailed(faults: Fault[]): ApiError {
  const message = faults.length === 1 ? '1 field was refused.' : `${faults.length} fields were refused.`
  return new ApiError('VALIDATION_FAILED', message, { faults })
}
