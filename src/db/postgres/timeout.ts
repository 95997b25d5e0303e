import { ApiError } from '#src/errors.ts'

/**
 * What a promise settles with, unless that takes too long: postgres.js does not settle a query whose connection is
 * closed while it starts up (its issue 1193), nor one whose server fell silent.
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
