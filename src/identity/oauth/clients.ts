import { hashKey, idOfKey, isKeyText, prefixOf, secretIdOf } from '../api-keys/key-format.ts'
import type { Principal } from '../principal.ts'
import type { PrincipalResolver } from '../requests/principal-resolver.ts'

/** An OAuth 2 client: the principal of a key, and the secret that it sent. */
export interface Client extends Principal {
  keyId: string
  secretId: string
}

/**
 * The principal of an OAuth 2 client: a key. Its id is the `client_id`, and the `client_secret` is the whole key, or
 * the part behind its last underscore.
 */
export async function authenticateClient(
  principals: PrincipalResolver,
  { clientId, secret }: { clientId: string; secret: string },
  address: string
): Promise<Client | undefined> {
  const key = keysOf(clientId, secret).find((one) => idOfKey(one) === clientId)
  if (key === undefined) return undefined
  const keyHash = hashKey(key)
  const principal = await principals.resolve({ keyId: clientId, keyHash }, address)
  return principal && { ...principal, keyId: clientId, secretId: secretIdOf(keyHash) }
}

function keysOf(clientId: string, secret: string): string[] {
  if (isKeyText(secret)) return [secret]
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(clientId)
  return isId ? (['live', 'test'] as const).map((kind) => `${prefixOf(kind, clientId)}_${secret}`) : []
}
