import { DrizzleQueryError } from 'drizzle-orm'
import { findPgError } from '../db/errors.ts'

interface LoggedError extends Record<string, unknown> {
  type: string
  message: string
  stack: string
}

/**
 * An error for the log. drizzle's message holds the statement with all its parameters, password hashes too, and
 * PostgreSQL's detail holds the values of a row: a database error is logged by its code, place and stack only.
 */
export function describeForLog(error: unknown): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error), stack: '' }
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const described = { type: error.name, message: error.message, stack: frames.join('\n') }
  const cause = findPgError(error) as (Record<string, unknown> & { code: string }) | undefined
  if (cause) {
    const { code, severity, table_name, column_name, constraint_name, routine } = cause
    const known = { code, severity, table_name, column_name, constraint_name, routine }
    return { ...described, message: 'a statement failed', ...known }
  }
  if (error instanceof DrizzleQueryError) described.message = 'a statement failed'
  return error.cause instanceof Error ? { ...described, cause: describeForLog(error.cause) } : described
}
