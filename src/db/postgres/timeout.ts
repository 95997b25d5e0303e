import { ApiError } from '#src/errors.ts'

/**
 * Settles as the promise does, unless that takes too long. postgres.js never settles a query when its connection is
 * closed while it starts up (its issue 1193), nor when its server falls silent.
 * @throws ApiError UNAVAILABLE when the time is over.
 */
export function withDeadline<T>(answer: PromiseLike<T>, timeoutMs: number, onLate?: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ApiError('UNAVAILABLE', 'The database did not answer in time.'))
      onLate?.()
    }, timeoutMs)
    answer.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      }
    )
  })
}
