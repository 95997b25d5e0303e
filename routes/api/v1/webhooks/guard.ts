import { and, eq, inArray } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import type { Database } from '#src/db/database.ts'
import { type Fault, validationFailed } from '#src/errors.ts'
import { assertCanGrant } from '#src/identity/access.ts'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { users } from '#src/identity/tables/users.ts'
import type { Guard, GuardCall } from '#src/resource/declaration.ts'
import { webhooks } from '#src/webhooks/table.ts'

interface Sent {
  url?: string
  events?: string[]
  enabled?: boolean
}

/**
 * Refuses events that there are none of, and changes by callers with fewer rights than the webhook: they would have sent to
 * their own address what they may not read.
 */
export function makeWebhookGuard({ events }: FastifyInstance): Guard {
  return async function guardWebhooks({ db, principal, items }: GuardCall) {
    const ids = items.flatMap((item) => item.id ?? [])
    const rights = await rightsOf(db, principal, ids)
    return function check({ id, body = {} }) {
      const { url, events: types, enabled } = body as Sent
      const faults = [...(types ?? []).flatMap((type, index) => typeFaults(type, index)), ...urlFaults(url)]
      if (faults.length > 0) throw validationFailed(faults)
      const isHarmless = url === undefined && types === undefined && enabled !== true
      if (id !== undefined && !isHarmless) assertCanGrant(principal, rights.get(id) ?? [])
    }
  }

  function typeFaults(type: string, index: number): Fault[] {
    if (events.isKnownType(type)) return []
    const message = `is no type of event: there are ${events.types.join(', ')}`
    return [{ in: 'body', path: `/events/${index}`, code: 'unknown', message }]
  }
}

/** The rights with which webhooks read at most. Only of the caller's own: a refusal must not tell of those of others. */
export async function rightsOf(db: Database, principal: Principal, ids: string[]): Promise<Map<string, string[]>> {
  if (ids.length === 0) return new Map()
  const isVisible = canSeeAllRows(principal, 'webhooks') ? undefined : eq(webhooks.userId, principal.userId)
  const found = await db
    .select({ id: webhooks.id, own: webhooks.scopes, role: roles.scopes })
    .from(webhooks)
    .innerJoin(users, eq(users.id, webhooks.userId))
    .innerJoin(roles, eq(roles.name, users.role))
    .where(and(inArray(webhooks.id, ids), isVisible))
  return new Map(found.map(({ id, own, role }) => [id, own ?? role]))
}

// They would stand in the log of the deliveries.
function urlFaults(url: string | undefined): Fault[] {
  const parsed = url === undefined ? undefined : URL.parse(url)
  if (parsed === undefined || (parsed && !parsed.username && !parsed.password)) return []
  return [{ in: 'body', path: '/url', code: 'url', message: 'must be a URL, without a user or password in it' }]
}
