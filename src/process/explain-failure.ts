import { describeFailure } from '../db/postgres/wait-until-reachable.ts'
import { describeForLog } from '../observe/error-for-log.ts'

// Their messages are one line for a person. By name: a process that serves nothing need not load what declares them.
const EXPECTED = new Set([
  'ConfigError',
  'DataDirectoryError',
  'DeclarationError',
  'DirectoryInUseError',
  'MissingTablesError',
  'RouteError',
  'TrustedIssuerError'
])

/** Why a process ends: in one line what the operator can mend; anything else is a fault of ours and comes with its stack. */
export function explainFailure(error: Error): string {
  // A worker is told by its primary, which could not bind.
  const isBinding = /^(listen|bind)$/.test((error as NodeJS.ErrnoException).syscall ?? '')
  if (isBinding || EXPECTED.has(error.name)) return error.message
  const failure = describeFailure(error)
  if (error.name === 'MigrationError') return `${error.message}: ${failure}`
  if (failure) return `the database cannot be used: ${failure}`
  const { message, stack } = describeForLog(error)
  return `${message}\n${stack}`
}
