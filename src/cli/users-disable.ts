import { command, finding, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'

const SENTENCES = {
  unknown: 'there is no user with this e-mail',
  'last administrator': 'the last active administrator stays one'
}

/** `tenon users disable` */
export const usersDisableCommand: MakeCommand = (context) =>
  withServerFlags(
    command('disable <email>', 'Refuse a user, its logins and its keys, at once on every instance', [
      'tenon users disable ada@example.com'
    ])
  ).action(
    finding(context, async (email: string, flags: ServerFlags) => {
      const [{ disableAccount }, { withDatabase }, { disableAccountOf }] = await Promise.all([
        import('../identity/accounts.ts'),
        import('./open.ts'),
        import('./through-server.ts')
      ])
      const done = await onDatabaseOrServer(
        context.env,
        flags,
        () => withDatabase(context.env, ({ db }) => disableAccount(db, email)),
        (server) => disableAccountOf(server, email)
      )
      if (done !== 'disabled') context.output.complain(SENTENCES[done])
      else context.output.say(`${email} is disabled: its logins have ended, and its keys are refused.`)
      return done === 'disabled'
    })
  )
