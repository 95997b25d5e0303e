import { validationFailed } from '../errors.ts'

/**
 * When the time of a request is over, by the clock of `performance`: the time that its caller gives it or the time that its
 * route does, whichever is shorter; Infinity where neither does.
 * @param header `Request-Timeout`, as it was sent.
 * @param reply that to the request, which knows since when it is under way, in milliseconds.
 * @throws ApiError VALIDATION_FAILED for a header that is no number of seconds.
 */
export function endOf(
  header: string | undefined,
  timeoutSeconds: number | undefined,
  reply: { readonly elapsedTime: number }
): number {
  if (header === undefined && timeoutSeconds === undefined) return Number.POSITIVE_INFINITY
  const own = header === undefined ? Number.POSITIVE_INFINITY : secondsOf(header)
  const seconds = Math.min(own, timeoutSeconds ?? Number.POSITIVE_INFINITY)
  return performance.now() - reply.elapsedTime + seconds * 1000
}

function secondsOf(header: string): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(header) && Number(header) > 0) return Number(header)
  const message = 'must be a number of seconds greater than 0'
  throw validationFailed([{ in: 'headers', path: '/request-timeout', code: 'format', message }])
}
