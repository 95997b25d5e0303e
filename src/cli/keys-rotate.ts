import { command, finding, type MakeCommand } from './frame.ts'
import { millisecondsIn } from './values.ts'

const NONE = 'there is no such key: tenon keys list shows them'

/** `tenon keys rotate` */
export const keysRotateCommand: MakeCommand = (context) =>
  command('rotate <key>', 'Give an API key, by its id or its start, a new secret; the old one goes on for a while', [
    'tenon keys rotate tn_live_0BmqCM5DgHBMNmGbZbhDDt',
    'tenon keys rotate tn_live_0BmqCM5DgHBMNmGbZbhDDt --overlap 0s'
  ])
    .option('--overlap <time>', 'how long the secret before goes on working', '24h')
    .option('--json', 'print the key as JSON')
    .action(
      finding(context, async (named: string, { overlap, json }: { overlap: string; json?: boolean }) => {
        const overlapSeconds = Math.round(millisecondsIn('overlap', overlap) / 1000)
        const [{ rotateKey }, { findListedKey }, { withDatabase }] = await Promise.all([
          import('../identity/api-keys/api-keys.ts'),
          import('../identity/api-keys/keys-of-users.ts'),
          import('./open.ts')
        ])
        const made = await withDatabase(context.env, async ({ db }) => {
          const found = await findListedKey(db, named)
          const kind = found?.prefix.startsWith('tn_test') ? 'test' : 'live'
          return found && rotateKey(db, { id: found.id, kind, overlapSeconds })
        })
        if (!made) context.output.complain(NONE)
        else context.output.say(json ? JSON.stringify(made) : `${made.key}\n(shown once; id ${made.id})`)
        return made !== undefined
      })
    )
