import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('tokens of a real provider: discovery, resource indicators, RFC 9068', async (t) => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const signing = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'provider' }
  const server = createServer((request, response) => void provider.callback()(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => new Promise((done) => server.close(done).closeAllConnections()))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const secret = 'secret-of-a-test'
  const resource = {
    scope: 'items:read items:write',
    audience: 'tenon',
    accessTokenFormat: 'jwt' as const,
    jwt: { sign: { alg: 'ES256' as const } }
  }
  const provider = new Provider(origin, {
    clients: [
      {
        client_id: 'worker',
        client_secret: secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256'
      }
    ],
    jwks: { keys: [signing] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: async () => resource }
    }
  })
  const { send } = await startApp(t, { TRUSTED_ISSUERS: origin })
  const issue = async (scope: string) => {
    const basic = Buffer.from(`worker:${secret}`).toString('base64')
    const response = await fetch(`${origin}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://api.example', scope })
    })
    return ((await response.json()) as { access_token: string }).access_token
  }
  const reader = await issue('items:read')
  const header = JSON.parse(Buffer.from(reader.split('.')[0] as string, 'base64url').toString())
  t.match(header, { typ: 'at+jwt', alg: 'ES256' })
  t.equal((await send('GET', '/api/v1/items', { as: reader })).status, 200)
  t.equal((await send('POST', '/api/v1/items', { as: reader, body: { title: 'x' } })).status, 403)
  const writer = await issue('items:read items:write')
  t.equal((await send('POST', '/api/v1/items', { as: writer, body: { title: 'x' } })).status, 201)
  t.equal((await send('GET', '/api/v1/orders', { as: writer })).status, 403)
})
