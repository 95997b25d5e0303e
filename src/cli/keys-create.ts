import type { KeyValues, NewKey } from '../identity/api-keys/api-keys.ts'
import { MisuseError } from '../tools/misuse.ts'
import { command, type MakeCommand } from './frame.ts'
import type { App } from './open.ts'
import { onDatabaseOrServer, type RunningServer, type ServerFlags, withServerFlags } from './running-server.ts'
import { collected, listIn, millisecondsIn } from './values.ts'

interface Flags extends ServerFlags {
  scopes: string
  user?: string
  expires?: string
  cidr?: string[]
  tier?: string
  json?: boolean
}

/** `tenon keys create` */
export const keysCreateCommand: MakeCommand = ({ env, output }) =>
  withServerFlags(
    command('create <name>', 'Make an API key for a user; it is shown once', [
      'tenon keys create importer --scopes products:read,products:write',
      'tenon keys create nightly --scopes orders:read --user ada@example.com --expires 90d --json'
    ])
  )
    .requiredOption('--scopes <scopes>', 'what the key may do, comma-separated: no more than its user')
    .option('--user <email>', 'the user that it acts for; ADMIN_EMAIL when left out')
    .option('--expires <time>', 'the end of its use, from now: 12h, 90d')
    .option('--cidr <network>', 'an address or network that it may be used from; may be repeated', collected)
    .option('--tier <tier>', 'the rate tier')
    .option('--json', 'print the key as JSON')
    .action(async (name: string, flags: Flags) => {
      const { withApp } = await import('./open.ts')
      const values = valuesOf(name, flags)
      const made = await onDatabaseOrServer(
        env,
        flags,
        () => withApp(env, (app) => createFor(app, values, flags.user)),
        (server) => createThrough(server, values, flags.user)
      )
      output.say(flags.json ? JSON.stringify(made) : `${made.key}\n(shown once; id ${made.id}, for ${made.user})`)
    })

async function createThrough(server: RunningServer, values: KeyValues, user: string | undefined) {
  if (user !== undefined)
    throw new MisuseError('a running server makes keys for the user of the key that asks: leave out --user')
  const { addKey } = await import('./through-server.ts')
  return withValues(await addKey(server, values), 'the user of the key that asked', values)
}

async function createFor(app: App, values: KeyValues, wanted: string | undefined) {
  const [{ findAccount }, { createKey }, { scopesBeyondRole }] = await Promise.all([
    import('../identity/accounts.ts'),
    import('../identity/api-keys/api-keys.ts'),
    import('../identity/api-keys/keys-of-users.ts')
  ])
  const { db, config } = app
  await assertKnown(app, values)
  const email = wanted ?? config.ADMIN_EMAIL
  const user = await findAccount(db, email)
  if (!user?.active) throw new MisuseError(`there is no active user ${email}: name one with --user`)
  const [beyond] = await scopesBeyondRole(db, user.id, values.scopes)
  if (beyond !== undefined)
    throw new MisuseError(`the role ${user.role} of ${user.email} does not have the scope ${beyond}`)
  const made = await createKey(db, user.id, config.NODE_ENV === 'test' ? 'test' : 'live', values)
  return withValues(made, user.email, values)
}

const withValues = ({ id, key }: NewKey, user: string, { scopes, expiresAt = null }: KeyValues) => ({
  ...{ id, key, user },
  ...{ scopes, expiresAt }
})

/** The values of a key. @throws MisuseError for a name or a time that is none. */
function valuesOf(name: string, { scopes, cidr, tier, expires }: Flags): KeyValues {
  if (name.trim() === '' || name.length > 200) throw new MisuseError('a name has 1 to 200 characters')
  return {
    name,
    scopes: [...new Set(listIn(scopes))],
    enabled: true,
    tier: tier ?? null,
    allowedCidrs: cidr ?? null,
    expiresAt: expires === undefined ? null : new Date(Date.now() + millisecondsIn('expires', expires)).toISOString()
  }
}

/** Makes the networks what is stored. @throws MisuseError for values that the API would refuse, too. */
async function assertKnown({ knownScopes, config }: App, values: KeyValues): Promise<void> {
  const [{ keyTiers }, { isNetwork, normalizeNetwork }] = await Promise.all([
    import('../limits/tiers.ts'),
    import('../schema/networks.ts')
  ])
  const { scopes, allowedCidrs, tier } = values
  const unknown = scopes.find((scope) => !knownScopes.has(scope))
  if (unknown !== undefined) throw new MisuseError(`'${unknown}' is no scope: there are ${[...knownScopes].join(', ')}`)
  const other = allowedCidrs?.find((one) => !isNetwork(one))
  if (other !== undefined) throw new MisuseError(`'${other}' is no address and no network`)
  values.allowedCidrs = allowedCidrs?.map(normalizeNetwork) ?? null
  const tiers = keyTiers(config.RATE_LIMIT_TIERS)
  if (tier && !tiers.has(tier)) throw new MisuseError(`'${tier}' is no tier: there are ${[...tiers.keys()].join(', ')}`)
}
