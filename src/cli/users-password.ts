import { assertTablesExist } from '../db/declared-tables.ts'
import { resetPassword } from '../identity/users.ts'
import { withDatabase } from './open.ts'

/**
 * Gives a user a new password and ends all of its logins, at once on every instance.
 * @returns the password, to be shown once; undefined when there is no such user.
 */
export function replacePassword(env: NodeJS.ProcessEnv, email: string): Promise<string | undefined> {
  return withDatabase(env, async ({ db }) => {
    await assertTablesExist(db)
    return resetPassword(db, email)
  })
}
