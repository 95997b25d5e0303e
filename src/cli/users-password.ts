import { command, finding, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'

async function replacePassword(env: NodeJS.ProcessEnv, email: string): Promise<string | undefined> {
  const [{ assertTablesExist }, { resetPassword }, { withDatabase }] = await Promise.all([
    import('../db/declared-tables.ts'),
    import('../identity/users.ts'),
    import('./open.ts')
  ])
  return withDatabase(env, async ({ db }) => {
    await assertTablesExist(db)
    return resetPassword(db, email)
  })
}

/** `tenon users password` */
export const usersPasswordCommand: MakeCommand = (context) =>
  withServerFlags(
    command('password <email>', 'Give a user a new password, shown once, and end its logins', [
      'tenon users password admin@example.com'
    ])
  ).action(
    finding(context, async (email: string, flags: ServerFlags) => {
      const { replacePasswordOf } = await import('./through-server.ts')
      const password = await onDatabaseOrServer(
        context.env,
        flags,
        () => replacePassword(context.env, email),
        (server) => replacePasswordOf(server, email)
      )
      if (password === undefined) context.output.complain('there is no user with this e-mail')
      else context.output.say(`password: ${password}  (shown once; every login of the user has ended)`)
      return password !== undefined
    })
  )
