import type { ListedKey } from '../../identity/api-keys/keys-of-users.ts'
import { type Finding, findingOf } from './finding.ts'

const DAY_MS = 86_400_000
const UNUSED_DAYS = 30
const SOON_DAYS = 14

/** Keys that were never used in their first month, and those that expire soon. */
export function neglectedKeys(keys: ListedKey[], now = Date.now()): Finding[] {
  const found = findingOf('keys')
  return keys.flatMap(({ prefix, name, user, enabled, createdAt, expiresAt, lastUsedAt }) => {
    const key = `the key ${prefix} (${name}, of ${user})`
    const daysLeft = expiresAt === null ? Number.POSITIVE_INFINITY : (Date.parse(expiresAt) - now) / DAY_MS
    if (!enabled || daysLeft <= 0) return []
    const findings: Finding[] = []
    if (lastUsedAt === null && now - Date.parse(createdAt) > UNUSED_DAYS * DAY_MS)
      findings.push(found(`${key} was never used`, `npx tenon keys revoke ${prefix}`))
    if (daysLeft < SOON_DAYS)
      findings.push(
        found(`${key} expires in ${Math.ceil(daysLeft)} days`, 'give its holder another, or a later expiresAt')
      )
    return findings
  })
}
