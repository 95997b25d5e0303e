import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { send } = await startApp(t)

t.test('counts requests by route and status, with no value of a client in a label', async (t) => {
  const path = '/api/v1/products/01890000-0000-7000-8000-00000000cafe'
  for (let count = 0; count < 3; count += 1) await send('GET', path)
  await send('GET', '/api/v1/products?q=canary')
  await send('GET', '/nothing/canary')
  await send('PROPFIND', '/nothing/canary')
  const { status, text, headers } = await send('GET', '/metrics')
  t.equal(status, 200)
  t.match(headers['content-type'], /^text\/plain; version=0.0.4/)
  const labels = 'method="GET",route="/api/v1/products/:id",status="404"'
  t.ok(text.includes(`http_request_duration_seconds_count{${labels}} 3`))
  t.ok(
    text.includes(`http_request_duration_seconds_bucket{${labels},le="+Inf"} 3`) ||
      text.includes(`le="+Inf",${labels}} 3`)
  )
  t.ok(text.includes('http_request_duration_seconds_count{method="any",route="none",status="404"} 2'))
  t.match(text, /database_statements\{state="running"\} \d/)
  t.match(text, /nodejs_eventloop_lag_seconds/)
  t.notMatch(text, /canary|cafe/)
})

t.test('metrics and the answers to probes are not cached', async (t) => {
  for (const path of ['/metrics', '/livez', '/readyz']) {
    t.match(await send('GET', path), { status: 200, headers: { 'cache-control': 'no-store' } })
  }
})

t.test('with METRICS_TOKEN only its bearer reads metrics', async (t) => {
  const token = 'a-token-of-sixteen-characters'
  const { app } = await startApp(t, { METRICS_TOKEN: token })
  const get = (authorization?: string) =>
    app.inject({ url: '/metrics', headers: authorization ? { authorization } : {} })
  t.match(await get(`Bearer ${token}`), { statusCode: 200, body: /http_request_duration/ })
  for (const wrong of [undefined, 'Bearer', `Bearer ${token}x`, `Basic ${token}`]) {
    const refused = await get(wrong)
    t.match(refused, { statusCode: 401, headers: { 'www-authenticate': 'Bearer realm="tenon"' } })
    t.notMatch(refused.body, 'http_request')
  }
  t.match(app.swagger().paths?.['/metrics'], { get: { security: [{ bearer: [] }] } })
})

t.test('buckets count everything up to their bound', async (t) => {
  const { text } = await send('GET', '/metrics')
  const counts = [...text.matchAll(/_bucket\{[^}]*route="\/api\/v1\/products",[^}]*\} (\d+)/g)].map(([, count]) =>
    Number(count)
  )
  t.equal(counts.length, 14)
  t.same(
    counts,
    counts.toSorted((a, b) => a - b)
  )
  t.equal(counts.at(-1), 1)
})
