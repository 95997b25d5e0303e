import t from 'tap'
import { startApp } from '#test/support/app.ts'

const origin = 'https://shop.example'
const preflight = {
  origin,
  'access-control-request-method': 'PATCH',
  'access-control-request-headers': 'authorization'
}

t.test('no other origin may call, unless it is configured', async (t) => {
  const { send } = await startApp(t)
  const { headers } = await send('GET', '/api/v1/products', { headers: { origin } })
  t.notOk('access-control-allow-origin' in headers)
  t.notOk('access-control-allow-origin' in (await send('OPTIONS', '/api/v1/products', { headers: preflight })).headers)
})

t.test('configured origins may, and no others', async (t) => {
  const { send } = await startApp(t, { CORS_ORIGINS: `${origin},https://admin.example` })
  const allowed = await send('GET', '/api/v1/products', { headers: { origin } })
  t.match(allowed.headers, {
    'access-control-allow-origin': origin,
    vary: /Origin/,
    'access-control-expose-headers': /ETag/
  })
  const asked = await send('OPTIONS', '/api/v1/products/01890000-0000-7000-8000-000000000000', { headers: preflight })
  t.match(asked, {
    status: 204,
    headers: { 'access-control-allow-methods': /PATCH/, 'access-control-allow-headers': 'authorization' }
  })
  const other = await send('GET', '/api/v1/products', { headers: { origin: 'https://evil.example' } })
  t.notOk('access-control-allow-origin' in other.headers)
})

t.test('any origin may, where it says so', async (t) => {
  const { send } = await startApp(t, { CORS_ORIGINS: '*' })
  t.match(await send('GET', '/api/v1/products', { headers: { origin } }), {
    headers: { 'access-control-allow-origin': '*' }
  })
  t.match(await send('GET', '/nothing', { headers: { origin } }), {
    status: 404,
    headers: { 'access-control-allow-origin': '*' }
  })
})
