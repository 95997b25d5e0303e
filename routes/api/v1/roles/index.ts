import { inArray } from 'drizzle-orm'
import type { FastifyPluginAsync } from 'fastify'
import { ApiError, validationFailed } from '#src/errors.ts'
import { assertCanGrant } from '#src/identity/access.ts'
import { unknownScopes } from '#src/identity/scopes.ts'
import { roles } from '#src/identity/tables/roles.ts'
import type { GuardCall, Touched } from '#src/resource/declaration.ts'
import { defineResource } from '#src/resource/define.ts'
import { Role } from './schema.ts'

interface Sent {
  scopes?: string[]
}

/** Roles: sets of scopes. A change applies at once, to logged-in users too. */
export default (async (app) => {
  await app.register(
    defineResource({
      schema: Role,
      table: roles,
      access: { read: 'roles:read', write: 'roles:write', delete: 'roles:delete' },
      list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
      guard: (call) => guardRoles(app.knownScopes, call),
      changed: ({ identity }) => identity.principals.catchUp()
    })
  )
}) satisfies FastifyPluginAsync

/**
 * Refuses scopes, new or present, that the caller does not have, and any change of the role admin. Otherwise a caller
 * could empty a stronger role, set the password of one of its users, and log in as that user once the role is restored.
 */
async function guardRoles(known: ReadonlySet<string>, { db, principal, items }: GuardCall) {
  const ids = items.flatMap(({ id }) => id ?? [])
  const touched = await db
    .select({ id: roles.id, name: roles.name, scopes: roles.scopes })
    .from(roles)
    .where(inArray(roles.id, ids))
    .orderBy(roles.name)
    .for('update')
  const stored = new Map<string | undefined, { name: string; scopes: string[] }>(touched.map((one) => [one.id, one]))
  return function check({ id, body }: Touched): void {
    const { scopes = [] } = (body ?? {}) as Sent
    const role = stored.get(id)
    assertCanGrant(principal, [...(role?.scopes ?? []), ...scopes])
    // Without this role no user could restore any scope.
    if (role?.name === 'admin') throw new ApiError('CONFLICT', 'The role admin stays as it is.')
    const faults = unknownScopes(scopes, known)
    if (faults.length > 0) throw validationFailed(faults)
  }
}
