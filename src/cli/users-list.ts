import { command, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'

/** `tenon users list` */
export const usersListCommand: MakeCommand = ({ env, output }) =>
  withServerFlags(command('list', 'List the users', ['tenon users list', 'tenon users list --json']))
    .option('--json', 'print them as JSON')
    .action(async ({ json, ...flags }: ServerFlags & { json?: boolean }) => {
      const [{ listAccounts }, { withDatabase }, { accountsOf }, { tableOf }] = await Promise.all([
        import('../identity/accounts.ts'),
        import('./open.ts'),
        import('./through-server.ts'),
        import('./table.ts')
      ])
      const onDatabase = () => withDatabase(env, ({ db }) => listAccounts(db))
      const accounts = await onDatabaseOrServer(env, flags, onDatabase, accountsOf)
      if (json) return output.say(JSON.stringify(accounts))
      const rows = accounts.map(({ email, name, role, active, createdAt }) => [email, name, role, active, createdAt])
      output.say(tableOf(['e-mail', 'name', 'role', 'active', 'created'], rows))
    })
