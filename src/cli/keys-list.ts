import { command, type MakeCommand } from './frame.ts'

/** `tenon keys list` */
export const keysListCommand: MakeCommand = ({ env, output }) =>
  command('list', 'List the API keys, without their secrets', ['tenon keys list --user ada@example.com --json'])
    .option('--user <email>', 'those of this user alone')
    .option('--json', 'print them as JSON')
    .action(async ({ user, json }: { user?: string; json?: boolean }) => {
      const [{ listKeys }, { withDatabase }, { tableOf }] = await Promise.all([
        import('../identity/api-keys/keys-of-users.ts'),
        import('./open.ts'),
        import('./table.ts')
      ])
      const keys = await withDatabase(env, ({ db }) => listKeys(db, user?.trim().toLowerCase()))
      if (json) return output.say(JSON.stringify(keys))
      const names = ['key', 'name', 'user', 'scopes', 'enabled', 'last used', 'expires']
      const rows = keys.map((key) => [
        key.prefix,
        key.name,
        key.user,
        key.scopes,
        key.enabled,
        key.lastUsedAt ?? 'never',
        key.expiresAt ?? 'never'
      ])
      output.say(tableOf(names, rows))
    })
