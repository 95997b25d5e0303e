import { hashPassword } from '#src/identity/passwords/passwords.ts'
import { assertPassword } from '#src/identity/passwords/policy.ts'
import { users } from '#src/identity/tables/users.ts'
import { assertNotReserved, normalizeEmail } from '#src/identity/users.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { User } from './schema.ts'

/** Users for administrators; `me` shows each user its own account. */
export const usersResource = {
  schema: User,
  table: users,
  columns: { password: 'passwordHash' },
  transform: { email: acceptEmail, password: hashNewPassword },
  access: { read: 'users:read', write: 'users:write', delete: 'users:delete' },
  list: {
    filter: ['email', 'name', 'role', 'active', 'createdAt'],
    sort: ['email', 'name', 'createdAt']
  }
} satisfies Declaration<typeof User, typeof users>

function hashNewPassword(password: string): Promise<string> {
  assertPassword(password, '/password')
  return hashPassword(password)
}

function acceptEmail(email: string): string {
  assertNotReserved(email)
  return normalizeEmail(email)
}
