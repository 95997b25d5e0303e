import { isCleanText } from '#src/schema/coerce.ts'
import { addressOf } from '../requests/network.ts'
import type { Origin } from './sessions.ts'

const MAX_AGENT = 300

/** The origin of a login, for the user's list of logins. */
export function originOf(
  request: { ip: string; headers: { 'user-agent'?: string | undefined } },
  clientId: string | null = null
): Origin {
  const agent = request.headers['user-agent']
  const ip = addressOf(request.ip) ?? null
  return { clientId, ip, userAgent: agent && isCleanText(agent) ? agent.slice(0, MAX_AGENT) : null }
}
