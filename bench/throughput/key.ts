import { ADMIN, type RunningServer } from './servers.ts'

/** Makes a key through the API: of the tier without limits, with every scope. */
export async function makeKey({ url }: RunningServer): Promise<string> {
  const { accessToken } = (await post(`${url}/api/v1/auth/login`, ADMIN)) as { accessToken: string }
  const wanted = { name: 'benchmark', scopes: ['*'], tier: 'unlimited' }
  const { key } = (await post(`${url}/api/v1/api-keys`, wanted, accessToken)) as { key: string }
  return key
}

async function post(url: string, body: object, token?: string): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body)
  })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer}`)
  return JSON.parse(answer)
}
