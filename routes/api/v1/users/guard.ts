import { and, eq, inArray, notInArray } from 'drizzle-orm'
import { ApiError } from '#src/errors.ts'
import { assertCanGrant } from '#src/identity/access.ts'
import { assertNotEmail } from '#src/identity/passwords/policy.ts'
import { currentPrincipal } from '#src/identity/requests/current-principal.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { users } from '#src/identity/tables/users.ts'
import type { GuardCall, Touched } from '#src/resource/declaration.ts'

const ADMIN = 'admin'

interface Sent {
  email?: string
  password?: string
  role?: string
  active?: boolean
}

/**
 * Refuses to change a user with more rights than the caller, or to give a role with more: a caller that sets an
 * administrator's password can act as one. One active administrator stays. Users and roles are locked, so that neither
 * a promotion nor the loss of the second last administrator comes between this check and the change.
 */
export async function guardUsers(call: Omit<GuardCall, 'cause'>): Promise<(item: Touched) => void> {
  const { db, items } = call
  const principal = await currentPrincipal(db, call.principal)
  const ids = items.flatMap(({ id }) => id ?? [])
  const touched = await db
    .select({ id: users.id, role: users.role, email: users.email })
    .from(users)
    .where(inArray(users.id, ids))
    .orderBy(users.id)
    .for('update')
  const roleOf = new Map<string | undefined, string>(touched.map(({ id, role }) => [id, role]))
  const rolesOf = ({ id, body }: Touched) => [roleOf.get(id) ?? [], (body as Sent | undefined)?.role ?? []].flat()
  const leaving = items.filter((item) => roleOf.get(item.id) === ADMIN && isLeaving(item))
  const found = await db
    .select({ name: roles.name, scopes: roles.scopes })
    .from(roles)
    .where(inArray(roles.name, [...new Set(items.flatMap(rolesOf))]))
    .orderBy(roles.name)
    .for(leaving.length > 0 ? 'update' : 'share')
  const scopesOf = new Map(found.map(({ name, scopes }) => [name, scopes]))
  const gone = leaving.map(({ id }) => id as string)
  const isStaying = and(eq(users.role, ADMIN), eq(users.active, true), notInArray(users.id, gone))
  const refused = new Set(leaving.length > 0 && (await db.$count(users, isStaying)) === 0 ? leaving : [])
  const emailOf = new Map<string | undefined, string>(touched.map(({ id, email }) => [id, email]))
  return function check(item) {
    const { password, email = emailOf.get(item.id) } = (item.body ?? {}) as Sent
    if (password !== undefined && email !== undefined) assertNotEmail(password, '/password', email)
    // A role that does not exist is refused as a broken reference.
    for (const role of rolesOf(item)) assertCanGrant(principal, scopesOf.get(role) ?? [])
    if (refused.has(item)) throw new ApiError('CONFLICT', 'The last active administrator stays one.')
  }
}

const isLeaving = ({ body }: Touched) => {
  const { role = ADMIN, active = true } = (body ?? { active: false }) as Sent
  return role !== ADMIN || !active
}
