import { ADMIN } from '../throughput/servers.ts'
import type { Lab } from './lab.ts'
import { send } from './load.ts'
import { type Check, seen, under } from './promise.ts'

const ROUNDS = 10

/** How long it takes until the last of several instances refuses what was revoked at the first. */
export async function showRevocation(lab: Lab, urls: string[]): Promise<Check[]> {
  const [first] = urls as [string]
  const headers = { 'x-api-key': lab.key }
  const statusAt = async (url: string, credential: string) =>
    (await send(lab.agent, url, { path: '/api/v1/items', headers: { authorization: `Bearer ${credential}` } })).status

  // How long it takes until the last instance refuses what all of them have just accepted.
  async function untilRefused(credential: string, revoke: () => Promise<unknown>): Promise<number> {
    for (const url of urls) {
      const status = await statusAt(url, credential)
      if (status !== 200) throw new Error(`a credential that holds was answered with ${status}`)
    }
    await revoke()
    const revokedAt = performance.now()
    await Promise.all(
      urls.map(async (url) => {
        while ((await statusAt(url, credential)) === 200 && performance.now() - revokedAt < 10_000);
      })
    )
    return performance.now() - revokedAt
  }

  const rounds = lab.some(ROUNDS, 3)
  const ways: Record<string, () => Promise<number>> = {
    async 'a key'() {
      const { id, key } = await lab.make(first, '/api/v1/api-keys', { name: 'revoked', scopes: ['items:read'] })
      const call = { method: 'DELETE', path: `/api/v1/api-keys/${id}`, headers }
      return untilRefused(key as string, () => send(lab.agent, first, call))
    },
    async 'a session'() {
      const { accessToken } = await lab.startLogin(first)
      const call = {
        method: 'POST',
        path: '/api/v1/auth/logout',
        headers: { authorization: `Bearer ${accessToken}` }
      }
      return untilRefused(accessToken, () => send(lab.agent, first, call))
    },
    async 'a disabled user'() {
      const email = `u${process.hrtime.bigint()}@example.com`
      const { password } = ADMIN
      const { id } = await lab.make(first, '/api/v1/users', {
        email,
        password,
        name: 'Somebody',
        role: 'member',
        active: true
      })
      const login = { method: 'POST', path: '/api/v1/auth/login', body: { email, password } }
      const { accessToken } = JSON.parse((await send(lab.agent, first, login)).body)
      const call = { method: 'PATCH', path: `/api/v1/users/${id}`, headers, body: { active: false } }
      return untilRefused(accessToken, () => send(lab.agent, first, call))
    }
  }
  const checks: Check[] = []
  for (const [what, once] of Object.entries(ways)) {
    const times = []
    for (let round = 0; round < rounds; round += 1) times.push(await once())
    checks.push(under(1000, `${what}: at most`, Math.max(...times)))
  }
  return [...checks, seen(`${rounds} times each`)]
}
