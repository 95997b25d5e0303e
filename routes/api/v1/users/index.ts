import { defineResource } from '#src/resource/define.ts'
import { guardUsers } from './guard.ts'
import { usersResource } from './resource.ts'

/** Users, for those who may administer them, but nobody who may do more than they do themselves. */
export default defineResource({
  ...usersResource,
  guard: guardUsers,
  changed: ({ identity }) => identity.principals.catchUp()
})
