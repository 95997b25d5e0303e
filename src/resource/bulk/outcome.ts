import { ApiError, type Fault } from '#src/errors.ts'

/** The outcome of one item of many. */
export type Outcome = { status: Done; id: string | null } | Failure
export type Done = 'created' | 'updated' | 'skipped' | 'deleted'

/** An item that was refused, and why. */
export interface Failure {
  status: 'failed'
  id: string | null
  error: ApiError
}

export const failed = (error: ApiError, id: string | null = null): Failure => ({ status: 'failed', id, error })

/** The refusals of a value that must be unique, of a reference to a missing row, and of an id that does not exist. */
export const conflict = (fault?: Fault) =>
  /* c8 ignore next -- the conflicting row is gone by now, so the value that conflicted is unknown */
  new ApiError('CONFLICT', 'A value that must be unique is already taken.', { faults: fault ? [fault] : [] })
export const brokenReference = (fault: Fault) =>
  new ApiError('REFERENCE_CONFLICT', 'What is referenced does not exist.', { faults: [fault] })
export const missing = () =>
  new ApiError('NOT_FOUND', 'There is none with this id.', {
    faults: [{ in: 'body', path: '/id', code: 'notFound', message: 'names nothing that exists' }]
  })
export const repeated = (path: string) =>
  new ApiError('CONFLICT', 'The same row is named twice.', {
    faults: [{ in: 'body', path, code: 'repeated', message: 'is in an earlier item already' }]
  })

/** The faults of an item with their paths in the body: below the item's own path. */
export function faultsAt(path: string, { faults, code, message }: ApiError): Fault[] {
  if (faults.length === 0) return [{ in: 'body', path, code: code.toLowerCase(), message }]
  return faults.map((fault) => ({ ...fault, path: path + fault.path }))
}

// A thousand items can have a hundred thousand faults, and an answer with all of them would be larger than the request.
const MAX_FAULTS = 1000

/** How many faults one answer about many items has: a thousand, and then only the first of each further item. */
export class FaultBudget {
  left: number

  constructor(left = MAX_FAULTS) {
    this.left = left
  }

  take(faults: Fault[]): Fault[] {
    const told = faults.slice(0, Math.max(1, this.left))
    this.left -= told.length
    return told
  }
}

/** One refusal for all items that failed, each fault with the path of its item. */
export function refuseAll(failures: { path: string; error: ApiError }[]): ApiError {
  const faults: Fault[] = []
  for (const { path, error } of failures)
    if (faults.length < MAX_FAULTS) faults.push(...faultsAt(path, error).slice(0, MAX_FAULTS - faults.length))
  const message = `${failures.length === 1 ? '1 item was' : `${failures.length} items were`} refused. Nothing was changed.`
  const { code, headers, facts } = (failures[0] as { error: ApiError }).error
  if (failures.some(({ error }) => error.code !== code)) return new ApiError('VALIDATION_FAILED', message, { faults })
  return new ApiError(code, message, { faults, headers, facts })
}
