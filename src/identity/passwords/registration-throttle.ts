import { ApiError } from '#src/errors.ts'
import { networkOf } from '../requests/network.ts'
import type { AttemptWindows } from './login-throttle.ts'

/** The most accounts an hour from one network: each costs an argon2 and tells whether an e-mail is taken. */
export const MAX_REGISTRATIONS = 100
const WINDOW_MS = 3_600_000

/**
 * Counts a registration when it begins.
 * @param windows the counters; undefined without limits.
 * @throws ApiError TOO_MANY_REQUESTS with the seconds to wait.
 */
export async function admitRegistration(windows: AttemptWindows | undefined, address: string): Promise<void> {
  if (!windows) return
  const { current, ttl } = await windows.add(`register:${networkOf(address)}`, WINDOW_MS)
  if (current <= MAX_REGISTRATIONS) return
  const retryAfter = Math.ceil(ttl / 1000)
  throw new ApiError('TOO_MANY_REQUESTS', 'Too many registrations from this network.', { retryAfter })
}
