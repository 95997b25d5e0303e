import type { Account } from '../identity/accounts.ts'
import type { KeyValues, NewKey } from '../identity/api-keys/api-keys.ts'
import { type ListedKey, startOf } from '../identity/api-keys/keys-of-users.ts'
import { generatePassword, normalizeEmail } from '../identity/users.ts'
import type { RunningServer } from './running-server.ts'

// What the commands on users and keys do, asked of a running server. It refuses what its API refuses.

/** A key, as lists show it: the API does not tell its user. */
export type ServedKey = Omit<ListedKey, 'user'> & { user: string | null }

const pick = ({ id, email, name, role, active, createdAt }: Account): Account => ({
  ...{ id, email, name },
  ...{ role, active, createdAt }
})

/** All users. */
export const accountsOf = async (server: RunningServer): Promise<Account[]> =>
  (await server.list<Account>('/users', { sort: 'email' })).map(pick)

async function accountOf(server: RunningServer, email: string): Promise<Account | undefined> {
  const [found] = await server.list<Account>('/users', { email: normalizeEmail(email) })
  return found
}

/** Makes a user with a random password, to be shown once. */
export async function addAccount(server: RunningServer, wanted: { email: string; name: string; role: string }) {
  const password = generatePassword()
  return { ...pick(await server.send<Account>('POST', '/users', { ...wanted, password })), password }
}

/** Disables a user. The last administrator is refused by the server. */
export async function disableAccountOf(server: RunningServer, email: string): Promise<'disabled' | 'unknown'> {
  const found = await accountOf(server, email)
  if (found) await server.send('PATCH', `/users/${found.id}`, { active: false })
  return found ? 'disabled' : 'unknown'
}

/** Gives a user a new password. @returns the password; undefined when there is no such user. */
export async function replacePasswordOf(server: RunningServer, email: string): Promise<string | undefined> {
  const found = await accountOf(server, email)
  const password = generatePassword()
  if (found) await server.send('PATCH', `/users/${found.id}`, { password })
  return found && password
}

/** All keys that the caller sees. */
export const keysOf = async (server: RunningServer): Promise<ServedKey[]> =>
  (await server.list<ServedKey>('/api-keys')).map(
    ({ id, prefix, name, scopes, tier, enabled, createdAt, expiresAt, lastUsedAt }) => ({
      ...{ id, prefix, name, user: null, scopes },
      ...{ tier, enabled, createdAt, expiresAt, lastUsedAt }
    })
  )

async function keyOf(server: RunningServer, named: string): Promise<ServedKey | undefined> {
  return (await keysOf(server)).find(({ id, prefix }) => id === named || prefix === startOf(named))
}

/** Makes a key for the user of the key that asks. */
export const addKey = (server: RunningServer, values: KeyValues): Promise<NewKey> =>
  server.send('POST', '/api-keys', { ...values })

/** Gives a key a new secret. @returns undefined when there is no such key. */
export async function rotateKeyOf(
  server: RunningServer,
  named: string,
  overlapSeconds: number
): Promise<NewKey | undefined> {
  const found = await keyOf(server, named)
  if (!found) return undefined
  const { id, key } = await server.send<NewKey>('POST', `/api-keys/${found.id}/rotate`, { overlapSeconds })
  return { id, key }
}

/** Deletes a key. @returns what it was; undefined when there is no such key. */
export async function revokeKeyOf(server: RunningServer, named: string): Promise<ServedKey | undefined> {
  const found = await keyOf(server, named)
  if (found) await server.send('DELETE', `/api-keys/${found.id}`)
  return found
}
