import { command, finding, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'
import type { ServedKey } from './through-server.ts'

/** `tenon keys revoke` */
export const keysRevokeCommand: MakeCommand = (context) =>
  withServerFlags(
    command('revoke <key>', 'Delete an API key, by its id or its start, and the keys that it made', [
      'tenon keys revoke tn_live_0BmqCM5DgHBMNmGbZbhDDt'
    ])
  ).action(
    finding(context, async (named: string, flags: ServerFlags) => {
      const [{ findListedKey, revokeKey }, { withDatabase }, { revokeKeyOf }] = await Promise.all([
        import('../identity/api-keys/keys-of-users.ts'),
        import('./open.ts'),
        import('./through-server.ts')
      ])
      const onDatabase = () =>
        withDatabase(context.env, async ({ db }) => {
          const key = await findListedKey(db, named)
          if (key) await revokeKey(db, key.id)
          return key
        })
      const found = await onDatabaseOrServer<ServedKey | undefined>(context.env, flags, onDatabase, (server) =>
        revokeKeyOf(server, named)
      )
      if (!found) context.output.complain('there is no such key: tenon keys list shows them')
      else context.output.say(`${found.prefix} (${found.name}) is revoked: every instance refuses it within a second.`)
      return found !== undefined
    })
  )
