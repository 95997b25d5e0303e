import { inArray } from 'drizzle-orm'
import type { FastifyPluginAsync } from 'fastify'
import { users } from '#src/db/tables/users.ts'
import { refuseMoreThan } from '#src/identity/access.ts'
import type { Principal } from '#src/identity/principal.ts'
import { defineResource } from '#src/resource/define.ts'
import { usersResource } from './resource.ts'

interface Named {
  id?: string
  role?: string
}

/** Users, for those who may administer them, but nobody who may do more than they do themselves. */
export default (async (app) => {
  app.addHook('preHandler', async ({ method, params, body, principal }) => {
    if (method === 'GET' || method === 'HEAD') return
    const { items = [], ...one } = (body ?? {}) as Named & { items?: Named[] }
    const sent = [params as Named, one, ...items]
    // Who sets an administrator's password, or gives the role, is one.
    const roles = new Set(sent.flatMap(({ role }) => role ?? []))
    const ids = sent.flatMap(({ id }) => id ?? [])
    const touched =
      ids.length === 0 ? [] : await app.db.select({ role: users.role }).from(users).where(inArray(users.id, ids))
    for (const { role } of touched) roles.add(role)
    for (const role of roles) {
      refuseMoreThan(principal as Principal, (await app.identity.authority.roleScopes(role)) ?? [])
    }
  })
  app.addHook('onSend', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') await app.identity.authority.catchUp()
  })
  await app.register(defineResource(usersResource))
}) satisfies FastifyPluginAsync
