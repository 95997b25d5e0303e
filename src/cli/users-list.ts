import { command, type MakeCommand } from './frame.ts'

/** `tenon users list` */
export const usersListCommand: MakeCommand = ({ env, output }) =>
  command('list', 'List the users', ['tenon users list', 'tenon users list --json'])
    .option('--json', 'print them as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const [{ listAccounts }, { withDatabase }, { tableOf }] = await Promise.all([
        import('../identity/accounts.ts'),
        import('./open.ts'),
        import('./table.ts')
      ])
      const accounts = await withDatabase(env, ({ db }) => listAccounts(db))
      if (json) return output.say(JSON.stringify(accounts))
      const rows = accounts.map(({ email, name, role, active, createdAt }) => [email, name, role, active, createdAt])
      output.say(tableOf(['e-mail', 'name', 'role', 'active', 'created'], rows))
    })
