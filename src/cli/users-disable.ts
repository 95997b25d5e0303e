import { command, finding, type MakeCommand } from './frame.ts'

const SENTENCES = {
  unknown: 'there is no user with this e-mail',
  'last administrator': 'the last active administrator stays one'
}

/** `tenon users disable` */
export const usersDisableCommand: MakeCommand = (context) =>
  command('disable <email>', 'Refuse a user, its logins and its keys, at once on every instance', [
    'tenon users disable ada@example.com'
  ]).action(
    finding(context, async (email: string) => {
      const [{ disableAccount }, { withDatabase }] = await Promise.all([
        import('../identity/accounts.ts'),
        import('./open.ts')
      ])
      const done = await withDatabase(context.env, ({ db }) => disableAccount(db, email))
      if (done !== 'disabled') context.output.complain(SENTENCES[done])
      else context.output.say(`${email} is disabled: its logins have ended, and its keys are refused.`)
      return done === 'disabled'
    })
  )
