import { describeFailure } from '../db/postgres/wait-until-reachable.ts'
import { ApiError } from '../errors.ts'
import { describeForLog } from '../observe/error-for-log.ts'

// Their messages are one line for a person. By name: a process that serves nothing need not load their modules.
const EXPECTED = new Set([
  'ConfigError',
  'DataDirectoryError',
  'DeclarationError',
  'DirectoryInUseError',
  'MissingTablesError',
  'RouteError',
  'RunningServerError',
  'SeedError',
  'TrustedIssuerError'
])

/** Why a process ends: one line when the operator can fix it; any other error is a defect and comes with its stack. */
export function explainFailure(error: Error): string {
  // The primary reports the failure to bind to its worker.
  const isBinding = /^(listen|bind)$/.test((error as NodeJS.ErrnoException).syscall ?? '')
  if (isBinding || EXPECTED.has(error.name)) return error.message
  if (error instanceof ApiError && error.statusCode < 500) return refusal(error)
  const failure = describeFailure(error)
  if (error.name === 'MigrationError') return `${error.message}: ${failure}`
  if (failure) return `the database cannot be used: ${failure}`
  const { message, stack } = describeForLog(error)
  return `${message}\n${stack}`
}

const refusal = ({ message, faults }: ApiError) =>
  [message, ...faults.map((fault) => `${fault.path.slice(1)} ${fault.message}`)].join(' ')
