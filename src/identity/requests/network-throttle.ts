import { ApiError } from '#src/errors.ts'
import type { AttemptWindows } from '../passwords/login-throttle.ts'
import { networkOf } from './network.ts'

/** What one network may do so often in an hour. */
interface NetworkLimit {
  /** The name of its counter. */
  name: string
  most: number
  /** For the refusal. */
  what: string
}

/** Each costs an argon2 and tells whether an e-mail is taken. */
export const REGISTRATIONS: NetworkLimit = { name: 'register', most: 100, what: 'registrations' }
/** Each costs a job, whether there is an account or not. */
export const MAIL_REQUESTS: NetworkLimit = { name: 'mail', most: 30, what: 'requests for a mail' }

const WINDOW_MS = 3_600_000

/**
 * Counts what an address asks for when it begins.
 * @param windows the counters; undefined without limits.
 * @throws ApiError TOO_MANY_REQUESTS with the seconds to wait.
 */
export async function admitNetwork(
  windows: AttemptWindows | undefined,
  { name, most, what }: NetworkLimit,
  address: string
): Promise<void> {
  if (!windows) return
  const { current, ttl } = await windows.add(`${name}:${networkOf(address)}`, WINDOW_MS)
  if (current <= most) return
  const retryAfter = Math.ceil(ttl / 1000)
  throw new ApiError('TOO_MANY_REQUESTS', `Too many ${what} from this network.`, { retryAfter })
}
