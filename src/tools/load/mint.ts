import { MisuseError } from '../misuse.ts'

/** A key that was made for a run. */
export interface MintedKey {
  key: string
  remove(): Promise<void>
}

const KEYS = '/api/v1/api-keys'

/**
 * Makes a key without limits on a Tenon server.
 * @param admin `email:password` of an administrator, or a key of one.
 * @throws MisuseError when the server refuses.
 */
export async function mintKey(server: string, admin: string): Promise<MintedKey> {
  const at = admin.indexOf(':')
  const isLogin = admin.includes('@') && at > 0
  const logIn = async (): Promise<string> => {
    if (!isLogin) return admin
    const sent = { email: admin.slice(0, at), password: admin.slice(at + 1) }
    return (await call(`${server}/api/v1/auth/login`, 'POST', undefined, sent)).accessToken
  }
  const wanted = { name: 'load', scopes: ['*'], tier: 'unlimited' }
  const { id, key } = await call(server + KEYS, 'POST', await logIn(), wanted)
  return {
    key,
    async remove() {
      // An access token of the beginning may have expired.
      await call(`${server + KEYS}/${id}`, 'DELETE', await logIn())
    }
  }
}

async function call(
  url: string,
  method: string,
  credential: string | undefined,
  body?: object
): Promise<{ id: string; key: string; accessToken: string }> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(credential !== undefined && { authorization: `Bearer ${credential}` })
    },
    body: body ? JSON.stringify(body) : null
  })
  const text = await response.text()
  if (!response.ok)
    throw new MisuseError(`--admin: ${method} ${url} answered ${response.status}: ${text.slice(0, 200)}`)
  return JSON.parse(text || '{}')
}
