import { refuseCommon } from '#src/identity/passwords/common-passwords.ts'
import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { users } from '#src/identity/tables/users.ts'
import { normalizeEmail } from '#src/identity/users.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { User } from './schema.ts'

/** Users as their administrators see them; `me` shows each their own. */
export const usersResource = {
  schema: User,
  table: users,
  columns: { password: 'passwordHash' },
  transform: { email: normalizeEmail, password: hashNewPassword },
  access: { read: 'users:read', write: 'users:write', delete: 'users:delete' },
  list: {
    filter: ['email', 'name', 'role', 'active', 'createdAt'],
    sort: ['email', 'name', 'createdAt']
  }
} satisfies Declaration<typeof User>

function hashNewPassword(password: string): Promise<string> {
  refuseCommon(password, '/password')
  return hashPassword(password)
}
