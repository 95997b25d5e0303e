import { command, finding, type MakeCommand } from './frame.ts'

/** `tenon keys revoke` */
export const keysRevokeCommand: MakeCommand = (context) =>
  command('revoke <key>', 'Delete an API key, by its id or its start, and the keys that it made', [
    'tenon keys revoke tn_live_0BmqCM5DgHBMNmGbZbhDDt'
  ]).action(
    finding(context, async (named: string) => {
      const [{ findListedKey, revokeKey }, { withDatabase }] = await Promise.all([
        import('../identity/api-keys/keys-of-users.ts'),
        import('./open.ts')
      ])
      const found = await withDatabase(context.env, async ({ db }) => {
        const key = await findListedKey(db, named)
        if (key) await revokeKey(db, key.id)
        return key
      })
      if (!found) context.output.complain('there is no such key: tenon keys list shows them')
      else context.output.say(`${found.prefix} (${found.name}) is revoked: every instance refuses it within a second.`)
      return found !== undefined
    })
  )
