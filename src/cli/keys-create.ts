import type { KeyValues } from '../identity/api-keys/api-keys.ts'
import { MisuseError } from '../tools/misuse.ts'
import { command, type MakeCommand } from './frame.ts'
import type { App } from './open.ts'
import { collected, listIn, millisecondsIn } from './values.ts'

interface Flags {
  scopes: string
  user?: string
  expires?: string
  cidr?: string[]
  tier?: string
  json?: boolean
}

/** `tenon keys create` */
export const keysCreateCommand: MakeCommand = ({ env, output }) =>
  command('create <name>', 'Make an API key for a user; it is shown once', [
    'tenon keys create importer --scopes products:read,products:write',
    'tenon keys create nightly --scopes orders:read --user ada@example.com --expires 90d --json'
  ])
    .requiredOption('--scopes <scopes>', 'what the key may do, comma-separated: no more than its user')
    .option('--user <email>', 'the user that it acts for; ADMIN_EMAIL when left out')
    .option('--expires <time>', 'the end of its use, from now: 12h, 90d')
    .option('--cidr <network>', 'an address or network that it may be used from; may be repeated', collected)
    .option('--tier <tier>', 'the rate tier')
    .option('--json', 'print the key as JSON')
    .action(async (name: string, flags: Flags) => {
      const { withApp } = await import('./open.ts')
      const made = await withApp(env, (app) => createFor(app, name, flags))
      output.say(flags.json ? JSON.stringify(made) : `${made.key}\n(shown once; id ${made.id}, for ${made.user})`)
    })

async function createFor(app: App, name: string, flags: Flags) {
  const [{ findAccount }, { createKey }, { scopesBeyondRole }] = await Promise.all([
    import('../identity/accounts.ts'),
    import('../identity/api-keys/api-keys.ts'),
    import('../identity/api-keys/keys-of-users.ts')
  ])
  const { db, config } = app
  const values = await valuesOf(app, name, flags)
  const email = flags.user ?? config.ADMIN_EMAIL
  const user = await findAccount(db, email)
  if (!user?.active) throw new MisuseError(`there is no active user ${email}: name one with --user`)
  const [beyond] = await scopesBeyondRole(db, user.id, values.scopes)
  if (beyond !== undefined)
    throw new MisuseError(`the role ${user.role} of ${user.email} does not have the scope ${beyond}`)
  const made = await createKey(db, user.id, config.NODE_ENV === 'test' ? 'test' : 'live', values)
  return { ...made, user: user.email, scopes: values.scopes, expiresAt: values.expiresAt ?? null }
}

/** The values of a key. @throws MisuseError for those that the API would refuse, too. */
async function valuesOf({ knownScopes, config }: App, name: string, flags: Flags): Promise<KeyValues> {
  const [{ keyTiers }, { isNetwork, normalizeNetwork }] = await Promise.all([
    import('../limits/tiers.ts'),
    import('../schema/networks.ts')
  ])
  const { cidr, tier, expires } = flags
  const scopes = [...new Set(listIn(flags.scopes))]
  if (name.trim() === '' || name.length > 200) throw new MisuseError('a name has 1 to 200 characters')
  const unknown = scopes.find((scope) => !knownScopes.has(scope))
  if (unknown !== undefined) throw new MisuseError(`'${unknown}' is no scope: there are ${[...knownScopes].join(', ')}`)
  const other = cidr?.find((one) => !isNetwork(one))
  if (other !== undefined) throw new MisuseError(`'${other}' is no address and no network`)
  const tiers = keyTiers(config.RATE_LIMIT_TIERS)
  if (tier !== undefined && !tiers.has(tier))
    throw new MisuseError(`'${tier}' is no tier: there are ${[...tiers.keys()].join(', ')}`)
  return {
    name,
    scopes,
    enabled: true,
    tier: tier ?? null,
    allowedCidrs: cidr?.map(normalizeNetwork) ?? null,
    expiresAt: expires === undefined ? null : new Date(Date.now() + millisecondsIn('expires', expires)).toISOString()
  }
}
