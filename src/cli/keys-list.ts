import { MisuseError } from '../tools/misuse.ts'
import { command, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'
import type { ServedKey } from './through-server.ts'

interface Flags extends ServerFlags {
  user?: string
  json?: boolean
}

/** `tenon keys list` */
export const keysListCommand: MakeCommand = ({ env, output }) =>
  withServerFlags(
    command('list', 'List the API keys, without their secrets', ['tenon keys list --user ada@example.com --json'])
  )
    .option('--user <email>', 'those of this user alone')
    .option('--json', 'print them as JSON')
    .action(async ({ user, json, ...flags }: Flags) => {
      const [{ listKeys }, { withDatabase }, { keysOf }, { tableOf }] = await Promise.all([
        import('../identity/api-keys/keys-of-users.ts'),
        import('./open.ts'),
        import('./through-server.ts'),
        import('./table.ts')
      ])
      const keys = await onDatabaseOrServer<ServedKey[]>(
        env,
        flags,
        () => withDatabase(env, ({ db }) => listKeys(db, user?.trim().toLowerCase())),
        async (server) => {
          if (user !== undefined)
            throw new MisuseError('a running server does not tell the users of keys: leave out --user')
          return keysOf(server)
        }
      )
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
