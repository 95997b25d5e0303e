import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { runInScope } from '#src/concurrency/request-scope.ts'
import { Outbound, type OutboundCall, type OutboundOptions } from '#src/outbound/outbound.ts'
import { startApp } from '#test/support/app.ts'
import { faultOf } from '#test/support/outbound.ts'
import { startService } from '#test/support/service.ts'
import { until } from '#test/support/until.ts'

function open(t: Test, options: OutboundOptions = {}) {
  const calls: OutboundCall[] = []
  const outbound = new Outbound({ onCall: (call) => calls.push(call), ...options })
  t.teardown(() => outbound.close())
  return { outbound, outcomes: () => calls.map(({ outcome }) => outcome) }
}

t.test('sends what it is given, and gives what was answered', async (t) => {
  const service = await startService(t, (response, { body }) =>
    response.writeHead(201, { 'x-seen': '1' }).end(`got ${body}`)
  )
  const { outbound } = open(t)
  const answer = await outbound.request(`${service.origin}/a?b=c#d`, {
    method: 'POST',
    headers: { 'x-own': 'é'.normalize('NFD').slice(0, 1) },
    body: 'text'
  })
  t.match(answer, { status: 201, text: 'got text', headers: { 'x-seen': '1' } })
  t.match(service.seen, [{ method: 'POST', url: '/a?b=c', headers: { 'user-agent': 'Tenon', 'x-own': 'e' } }])
})

t.test('repeats what may be repeated, after a failure that may pass', async (t) => {
  const statuses = [503, 429, 200]
  const service = await startService(t, (response) => {
    response.writeHead(statuses[(service.seen.length - 1) % 3] as number, { 'retry-after': '0' }).end()
  })
  const { outbound, outcomes } = open(t)
  t.equal((await outbound.request(service.origin)).status, 200)
  t.equal((await outbound.request(service.origin, { method: 'POST', isIdempotent: true })).status, 200)
  t.same(outcomes(), ['5xx', '4xx', '2xx', '5xx', '4xx', '2xx'])
  t.equal((await outbound.request(service.origin, { method: 'POST' })).status, 503, 'a POST may have had an effect')
  service.seen.length = 0
  t.equal((await outbound.request(service.origin, { repetitions: 1 })).status, 429, 'as often as is asked')
})

t.test('waits as long as the server asks, and not longer than ten seconds', async (t) => {
  const date = () => new Date(Date.now() + 1500).toUTCString()
  const pauses: Record<string, () => string> = { '/date': date, '/long': () => '11', '/none': () => 'soon' }
  const service = await startService(t, (response, { url }) => {
    const isFirst = service.seen.filter((one) => one.url === url).length === 1
    response.writeHead(isFirst ? 503 : 200, { 'retry-after': pauses[url]?.() ?? '' }).end()
  })
  const { outbound } = open(t)
  const startedAt = Date.now()
  t.equal((await outbound.request(`${service.origin}/date`)).status, 200)
  // The date has no fractions of a second.
  t.ok(Date.now() - startedAt >= 450)
  t.equal((await outbound.request(`${service.origin}/long`)).status, 503)
  t.equal((await outbound.request(`${service.origin}/none`)).status, 200, 'a header that says nothing')
})

t.test('repeats after a connection that was cut', async (t) => {
  const service = await startService(t, (response) => {
    if (service.seen.length % 2 === 1) response.socket?.resetAndDestroy()
    else response.end('there')
  })
  const { outbound, outcomes } = open(t)
  t.equal((await outbound.request(service.origin)).text, 'there')
  t.same(outcomes(), ['connection', '2xx'])
  t.equal(await faultOf(outbound.request(service.origin, { method: 'POST' })), 'connection')
})

t.test('a server that is silent, drips or never ends its headers is given up', async (t) => {
  const service = await startService(t, (response, { url }) => {
    if (url === '/headers') return
    response.writeHead(200).write('a')
    if (url !== '/drip') return
    const timer = setInterval(() => response.write('a'), 20)
    response.on('close', () => clearInterval(timer))
  })
  const { outbound } = open(t, { limits: { silenceMs: 100, failures: 100 } })
  const call = (path: string) => outbound.request(service.origin + path, { repetitions: 0, timeoutMs: 3000 })
  t.equal(await faultOf(call('/headers')), 'timeout')
  t.equal(await faultOf(call('/silent')), 'timeout')
  const startedAt = performance.now()
  t.equal(await faultOf(outbound.request(`${service.origin}/drip`, { timeoutMs: 300 })), 'timeout', 'never silent')
  t.ok(performance.now() - startedAt < 2000)
})

t.test('the time of a call includes its pauses', async (t) => {
  const service = await startService(t, (response) => response.writeHead(503, { 'retry-after': '9' }).end())
  const { outbound } = open(t)
  const startedAt = performance.now()
  t.equal(await faultOf(outbound.request(service.origin, { timeoutMs: 200 })), 'timeout')
  t.ok(performance.now() - startedAt < 2000)
})

t.test('a long answer is refused, or cut off', async (t) => {
  const service = await startService(t, (response) => response.end('x'.repeat(100_000)))
  const { outbound } = open(t)
  t.equal(await faultOf(outbound.request(service.origin, { maxBytes: 1024 })), 'too_large')
  t.equal((await outbound.request(service.origin, { maxBytes: 1024, cut: true })).text.length, 1024)
  t.equal((await outbound.request(service.origin, { maxBytes: 100_000 })).text.length, 100_000)
})

t.test('redirects are followed only when asked for, and without credentials to another host', async (t) => {
  const other = await startService(t, (response, { headers }) => response.end(headers.authorization ?? 'nothing'))
  const service = await startService(t, (response, { url, headers }) => {
    const places: Record<string, string> = {
      '/out': `${other.origin}/`,
      '/own': '/end',
      '/bad': 'http://[',
      '/loop': '/loop'
    }
    const location = places[url]
    if (location) response.writeHead(307, { location }).end()
    else response.end(headers.authorization)
  })
  const { outbound } = open(t)
  const call = (path: string, redirects?: number, method = 'GET') =>
    outbound.request(service.origin + path, {
      redirects,
      method,
      headers: { authorization: 'Bearer secret' }
    } as object)
  t.equal((await call('/own')).status, 307)
  t.equal((await call('/own', 1)).text, 'Bearer secret')
  t.equal((await call('/out', 1)).text, 'nothing')
  t.equal((await call('/loop', 3)).status, 307)
  t.equal((await call('/own', 1, 'POST')).status, 307)
  t.equal(await faultOf(call('/bad', 1)), 'forbidden')
})

t.test('a host that fails is left alone for a moment, and tried again by one call', async (t) => {
  let status = 500
  const service = await startService(t, (response) => response.writeHead(status).end())
  const other = await startService(t, (response) => response.end())
  const { outbound, outcomes } = open(t, { limits: { failures: 3, restMs: 50 } })
  const call = (group?: string) => outbound.request(service.origin, { method: 'POST', ...(group && { group }) })
  for (let count = 0; count < 3; count += 1) t.equal((await call()).status, 500)
  t.equal(await faultOf(call()), 'open')
  t.same(outbound.resting(), [`127.0.0.1:${service.port}`])
  t.equal(service.seen.length, 3)
  t.equal((await call('apart')).status, 500, 'calls of another group are not concerned')
  t.equal((await outbound.request(other.origin)).status, 200, 'nor are those to another host')
  await sleep(60)
  t.equal((await call()).status, 500, 'one call tries it')
  t.equal(await faultOf(call()), 'open')
  await sleep(60)
  const left = new AbortController()
  const given = outbound.request(service.origin, { signal: left.signal })
  left.abort(new Error('gave up'))
  await t.rejects(given, { message: 'gave up' })
  t.equal(await faultOf(call()), 'open', 'a call that was given up tells nothing')
  status = 200
  await sleep(60)
  t.equal((await call()).status, 200)
  t.equal((await call()).status, 200)
  t.same(outbound.resting(), [])
  t.ok(outcomes().includes('aborted'))
})

t.test('calls that are given up do not make a host rest', async (t) => {
  const service = await startService(t, (response, { url }) => void (url === '/fast' && response.end()))
  const { outbound } = open(t, { limits: { failures: 2 } })
  for (let count = 0; count < 4; count += 1) {
    await t.rejects(outbound.request(service.origin, { signal: AbortSignal.abort(new Error('left')) }), {
      message: 'left'
    })
    const left = new AbortController()
    const call = outbound.request(service.origin, { signal: left.signal })
    await until(() => service.seen.length > count)
    left.abort(new Error('left'))
    await t.rejects(call, { message: 'left' })
  }
  t.equal((await outbound.request(`${service.origin}/fast`)).status, 200)
})

t.test('calls and connections to one host are bounded, and so are those that wait', async (t) => {
  const held: (() => void)[] = []
  const service = await startService(t, (response) => void held.push(() => response.end()))
  const { outbound } = open(t, { limits: { concurrency: 2, waiting: 1 } })
  const calls = [1, 2, 3].map(() => outbound.request(service.origin))
  t.equal(await faultOf(outbound.request(service.origin)), 'busy')
  await until(() => held.length === 2)
  held.shift()?.()
  await until(() => held.length === 2)
  for (const end of held) end()
  t.same(
    (await Promise.all(calls)).map(({ status }) => status),
    [200, 200, 200]
  )
})

t.test('a call continues the trace of its request, and ends with it', async (t) => {
  const service = await startService(t, (response, { url }) => void (url === '/' && response.end()))
  const { outbound } = open(t)
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const scope = { socket: { destroyed: false }, endsAt: Number.POSITIVE_INFINITY, headers: { traceparent } }
  await runInScope(scope, () => outbound.request(`${service.origin}/`))
  t.match(service.seen[0]?.headers.traceparent, /^00-a{32}-(?!b{16})[0-9a-f]{16}-01$/)
  const call = runInScope(scope, () => outbound.request(`${service.origin}/silent`))
  await until(() => service.seen.length === 2)
  scope.socket.destroyed = true
  await t.rejects(call, { code: 'DEADLINE_EXCEEDED' })
})

t.test('nothing is sent once the process ends', async (t) => {
  const service = await startService(t, () => {})
  const { outbound } = open(t)
  const call = outbound.request(service.origin, { method: 'POST' })
  await until(() => service.seen.length === 1)
  await outbound.close()
  t.equal(await faultOf(call), 'connection')
  t.equal(await faultOf(outbound.request(service.origin, { repetitions: 0 })), 'connection')
  t.equal(service.seen.length, 1)
})

t.test('metrics count calls by host and outcome, without a host that a caller chose', async (t) => {
  const service = await startService(t, (response) => response.writeHead(500).end())
  const { app, send } = await startApp(t, { WEBHOOK_ALLOWED_ADDRESSES: '127.0.0.0/8' })
  const call = (origin: string, guard = false) => app.outbound.request(origin, { guard, method: 'POST' })
  for (let count = 0; count < 5; count += 1) {
    await call(service.origin)
    await call(`http://127.0.0.2:${service.port}`.replace('.2', '.1'), true)
  }
  for (let count = 0; count < 101; count += 1) await faultOf(call(`http://127.0.0.1:${count + 1}`))
  const { text } = await send('GET', '/metrics')
  t.match(text, `outbound_request_duration_seconds_count{host="127.0.0.1:${service.port}",outcome="5xx"} 5`)
  t.match(text, 'outbound_request_duration_seconds_count{host="guarded",outcome="5xx"} 5')
  t.match(text, /outbound_request_duration_seconds_count\{host="other",outcome="connection"\} [123]\n/)
  t.match(text, `outbound_breakers_open{host="127.0.0.1:${service.port}"} 1`)
  t.match(text, 'outbound_breakers_open{host="guarded"} 1')
})
