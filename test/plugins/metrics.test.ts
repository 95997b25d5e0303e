import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { send } = await startApp(t)

t.test('counts requests by route and status, with no value of a caller in a label', async (t) => {
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
