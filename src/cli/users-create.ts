import { MisuseError } from '../tools/misuse.ts'
import { command, finding, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'

interface Flags extends ServerFlags {
  name?: string
  role: string
  json?: boolean
}

/** `tenon users create` */
export const usersCreateCommand: MakeCommand = (context) =>
  withServerFlags(
    command('create <email>', 'Make a user with a random password, shown once', [
      'tenon users create ada@example.com --name "Ada Lovelace"',
      'tenon users create ops@example.com --role admin --json'
    ])
  )
    .option('--name <name>', 'the name of the user; the first part of the e-mail when left out')
    .option('--role <role>', 'the role', 'member')
    .option('--json', 'print the user, with its password, as JSON')
    .action(
      finding(context, async (email: string, { name, role, json, ...flags }: Flags) => {
        if (!/^[^@\s]+@[^@\s]+$/.test(email) || email.length > 254)
          throw new MisuseError(`'${email}' is not an e-mail address`)
        const [{ createAccount }, { withDatabase }, { addAccount }] = await Promise.all([
          import('../identity/accounts.ts'),
          import('./open.ts'),
          import('./through-server.ts')
        ])
        const wanted = { email, role, name: name?.trim() || (email.split('@')[0] as string) }
        const made = await onDatabaseOrServer(
          context.env,
          flags,
          () => withDatabase(context.env, ({ db }) => createAccount(db, wanted)),
          (server) => addAccount(server, wanted)
        )
        if (made === 'unknown role') throw new MisuseError(`there is no role '${role}'`)
        if (made === 'taken') context.output.complain('there is a user with this e-mail already')
        else if (json) context.output.say(JSON.stringify(made))
        else context.output.say(`${made.email} (${made.role})  password: ${made.password}  (shown once)`)
        return made !== 'taken'
      })
    )
