import type { FastifyPluginAsync } from 'fastify'
import { defineResource } from '#src/resource/define.ts'
import { userAccountRoutes } from './account.ts'
import { guardAndLetGo } from './leave.ts'
import { usersResource } from './resource.ts'

/** Users, for administrators, except users with more rights than the caller. */
export default (async (app) => {
  const changed = () => app.identity.principals.catchUp()
  await app.register(defineResource({ ...usersResource, guard: guardAndLetGo(app), changed }))
  await app.register(userAccountRoutes)
}) satisfies FastifyPluginAsync
