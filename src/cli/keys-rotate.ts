import { command, finding, type MakeCommand } from './frame.ts'
import { onDatabaseOrServer, type ServerFlags, withServerFlags } from './running-server.ts'
import { millisecondsIn } from './values.ts'

const NONE = 'there is no such key: tenon keys list shows them'

interface Flags extends ServerFlags {
  overlap: string
  json?: boolean
}

/** `tenon keys rotate` */
export const keysRotateCommand: MakeCommand = (context) =>
  withServerFlags(
    command('rotate <key>', 'Give an API key, by its id or its start, a new secret; the old one goes on for a while', [
      'tenon keys rotate tn_live_0BmqCM5DgHBMNmGbZbhDDt',
      'tenon keys rotate tn_live_0BmqCM5DgHBMNmGbZbhDDt --overlap 0s'
    ])
  )
    .option('--overlap <time>', 'how long the secret before goes on working', '24h')
    .option('--json', 'print the key as JSON')
    .action(
      finding(context, async (named: string, { overlap, json, ...flags }: Flags) => {
        const overlapSeconds = Math.round(millisecondsIn('overlap', overlap) / 1000)
        const [{ rotateKey }, { findListedKey }, { withDatabase }, { rotateKeyOf }] = await Promise.all([
          import('../identity/api-keys/api-keys.ts'),
          import('../identity/api-keys/keys-of-users.ts'),
          import('./open.ts'),
          import('./through-server.ts')
        ])
        const onDatabase = () =>
          withDatabase(context.env, async ({ db }) => {
            const found = await findListedKey(db, named)
            const kind = found?.prefix.startsWith('tn_test') ? 'test' : 'live'
            return found && rotateKey(db, { id: found.id, kind, overlapSeconds })
          })
        const made = await onDatabaseOrServer(context.env, flags, onDatabase, (server) =>
          rotateKeyOf(server, named, overlapSeconds)
        )
        if (!made) context.output.complain(NONE)
        else context.output.say(json ? JSON.stringify(made) : `${made.key}\n(shown once; id ${made.id})`)
        return made !== undefined
      })
    )
