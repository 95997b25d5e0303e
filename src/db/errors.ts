import { ApiError, type ErrorCode, type Fault, validationFailed } from '../errors.ts'

/** What both drivers tell of a failure of PostgreSQL. */
interface PgError extends Error {
  /** SQLSTATE, five characters; or a code of the socket, such as ECONNREFUSED. */
  code: string
  /** `ERROR` where the connection goes on after it; not there for a code of the socket. */
  severity?: string
  /** The function of PostgreSQL's source that raised it. */
  routine?: string
  constraint_name?: string
  constraint?: string
}

// SQLSTATE or its class, to the answer it becomes. https://www.postgresql.org/docs/18/errcodes-appendix.html
const ANSWERS: Record<string, [ErrorCode, string]> = {
  '23505': ['CONFLICT', 'A value that must be unique is already taken.'],
  '23503': ['REFERENCE_CONFLICT', 'What is referenced does not exist, or this is still in use elsewhere.'],
  '23001': ['REFERENCE_CONFLICT', 'This is still in use elsewhere.'],
  '23': ['VALIDATION_FAILED', 'The values break a rule of the database.'],
  '22': ['VALIDATION_FAILED', 'A value cannot be stored or compared as it was sent.'],
  // The one of its class that a value brings about: a row of an index, or a text to be searched, has its limit.
  '54000': ['VALIDATION_FAILED', 'A value is too long to be indexed.'],
  '25006': ['UNAVAILABLE', 'The database takes no changes at the moment.'],
  '28': ['UNAVAILABLE', 'The database cannot be reached.'],
  '3D': ['UNAVAILABLE', 'The database cannot be reached.'],
  '40': ['UNAVAILABLE', 'The change met another one. Nothing was done; try again.'],
  '53': ['UNAVAILABLE', 'The database has no room for more at the moment.'],
  '55': ['UNAVAILABLE', 'The database is busy with something else.'],
  '57': ['UNAVAILABLE', 'The database stopped the statement.'],
  '08': ['UNAVAILABLE', 'The database cannot be reached.'],
  '58': ['UNAVAILABLE', 'The database cannot be reached.']
}

const LOST_CONNECTION = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED'
])

/** Whether a driver says with this error that its connection is gone. */
export const isLostConnection = (error: unknown): boolean => LOST_CONNECTION.has((error as { code: string }).code)

/** The PostgreSQL or socket error inside an error of drizzle, or undefined when there is none. */
export function findPgError(error: unknown): PgError | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    const { code, severity } = one as Error & { code?: unknown; severity?: unknown }
    // A code alone may be that of a file or of a library.
    if (typeof code === 'string' && (severity !== undefined || LOST_CONNECTION.has(code))) {
      return one as unknown as PgError
    }
  }
  return undefined
}

/**
 * The answer for a failed statement, or undefined when the error is not the database's.
 * No word of the statement or its values is in it.
 * @param fieldOf names the field of the caller behind a constraint, where there is one.
 */
export function toApiError(error: unknown, fieldOf: (constraint: string) => Fault | undefined): ApiError | undefined {
  // drizzle also wraps the refusals of the limiter and of the deadline.
  if (error instanceof Error && error.cause instanceof ApiError) return error.cause
  const cause = findPgError(error)
  if (!cause) return undefined
  if (LOST_CONNECTION.has(cause.code)) return unavailable('08', cause)
  const key = cause.code in ANSWERS ? cause.code : cause.code.slice(0, 2)
  const answer = ANSWERS[key]
  if (!answer) return undefined
  if (answer[0] === 'UNAVAILABLE') return unavailable(key, cause)
  const fault = fieldOf(cause.constraint_name ?? cause.constraint ?? '')
  if (answer[0] === 'VALIDATION_FAILED' && fault) return validationFailed([fault])
  return new ApiError(answer[0], answer[1], { faults: fault ? [fault] : [], cause })
}

function unavailable(key: string, cause: unknown): ApiError {
  const [code, message] = ANSWERS[key] as [ErrorCode, string]
  return new ApiError(code, message, { cause })
}
