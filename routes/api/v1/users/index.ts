import type { FastifyPluginAsync } from 'fastify'
import { defineResource } from '#src/resource/define.ts'
import { userAccountRoutes } from './account.ts'
import { guardUsers } from './guard.ts'
import { usersResource } from './resource.ts'

const users = defineResource({
  ...usersResource,
  guard: guardUsers,
  changed: ({ identity }) => identity.principals.catchUp()
})

/** Users, for administrators, except users with more rights than the caller. */
export default (async (app) => {
  await app.register(users)
  await app.register(userAccountRoutes)
}) satisfies FastifyPluginAsync
