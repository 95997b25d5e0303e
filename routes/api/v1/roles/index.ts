import { and, eq, inArray } from 'drizzle-orm'
import { ApiError } from '#src/errors.ts'
import { assertCanGrant } from '#src/identity/access.ts'
import { roles } from '#src/identity/tables/roles.ts'
import type { GuardCall, Touched } from '#src/resource/declaration.ts'
import { defineResource } from '#src/resource/define.ts'
import { Role } from './schema.ts'

interface Sent {
  scopes?: string[]
}

/** Roles: sets of scopes. A change applies at once, to those who are logged in too. */
export default defineResource({
  schema: Role,
  table: roles,
  access: { read: 'roles:read', write: 'roles:write', delete: 'roles:delete' },
  list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
  guard: guardRoles,
  changed: ({ identity }) => identity.principals.catchUp()
})

/** Refuses scopes that the caller does not have, and any change of the role admin. */
async function guardRoles({ db, principal, items }: GuardCall): Promise<(item: Touched) => void> {
  const ids = items.flatMap(({ id }) => id ?? [])
  // Nothing needs to be locked: no role becomes the role admin, nor stops being it.
  const [admin] = await db
    .select({ id: roles.id })
    .from(roles)
    .where(and(inArray(roles.id, ids), eq(roles.name, 'admin')))
  return function judge({ id, body }) {
    assertCanGrant(principal, (body as Sent | undefined)?.scopes ?? [])
    // Without it nobody could give anything back.
    if (admin && id === admin.id) throw new ApiError('CONFLICT', 'The role admin stays as it is.')
  }
}
