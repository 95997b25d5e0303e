import { and, eq, inArray } from 'drizzle-orm'
import type { FastifyPluginAsync } from 'fastify'
import { roles } from '#src/db/tables/roles.ts'
import { ApiError } from '#src/errors.ts'
import { refuseMoreThan } from '#src/identity/access.ts'
import type { Principal } from '#src/identity/principal.ts'
import { defineResource } from '#src/resource/define.ts'
import { Role } from './schema.ts'

const resource = defineResource({
  schema: Role,
  table: roles,
  access: { read: 'roles:read', write: 'roles:write', delete: 'roles:delete' },
  list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'] },
  // What is checked below is checked of one role, and by its id.
  operations: { bulkCreate: false, import: false, bulkUpdate: false, bulkRemove: false }
})

interface Named {
  id?: string
  scopes?: string[]
}

/** Roles: sets of scopes. A change applies at once, to those who are logged in too. */
export default (async (app) => {
  app.addHook('preHandler', async ({ method, params, body, principal }) => {
    if (method === 'GET' || method === 'HEAD') return
    const { items = [], ...one } = (body ?? {}) as Named & { items?: Named[] }
    const sent = [params as Named, one, ...items]
    for (const { scopes = [] } of sent) refuseMoreThan(principal as Principal, scopes)
    const ids = sent.flatMap(({ id }) => id ?? [])
    if (ids.length === 0) return
    const isAdmin = and(inArray(roles.id, ids), eq(roles.name, 'admin'))
    const [admin] = await app.db.select({ id: roles.id }).from(roles).where(isAdmin)
    // Without it nobody could give anything back.
    if (admin) throw new ApiError('CONFLICT', 'The role admin stays as it is.')
  })
  app.addHook('onSend', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') await app.identity.authority.catchUp()
  })
  await app.register(resource)
}) satisfies FastifyPluginAsync
