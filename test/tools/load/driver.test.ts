import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { drive } from '#src/tools/load/driver.ts'
import { allTimes } from '#src/tools/load/measures.ts'
import type { Chain, Pace, WorkerPlan } from '#src/tools/load/plan.ts'

const get: Chain = {
  name: 'get',
  weight: 1,
  idField: 'id',
  steps: [{ operation: 'get', kind: 'get', method: 'GET', path: ['/a'], headers: { 'x-a': '1' }, body: undefined }]
}

async function start(t: Test, listener: RequestListener, pace: Partial<Pace>, chains = [get]): Promise<WorkerPlan> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  const whole = { rate: undefined, rampMs: 0, connections: 2, durationMs: 200, ...pace }
  return {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    chains,
    rows: {},
    pace: whole,
    mark: 'ab',
    timeoutMs: 300
  }
}

t.test('each connection sends its next request after the answer to the last', async (t) => {
  let [now, most, seen] = [0, 0, '']
  const plan = await start(
    t,
    (request, response) => {
      seen = `${request.url} ${request.headers['x-a']}`
      now += 1
      most = Math.max(most, now)
      setTimeout(() => {
        now -= 1
        response.setHeader('server-timing', 'db;dur=2').end('{}')
      }, 2)
    },
    { connections: 3 }
  )
  const told: number[] = []
  const { measures, left } = await drive(plan, ({ requests }) => void told.push(requests))
  t.same([most, seen, left], [3, '/base/a 1', []])
  t.equal(told.at(-1), allTimes(measures).count)
  t.ok(allTimes(measures).min >= 900, 'in microseconds')
  t.ok(measures.server.answers > 0)
})

t.test('what fails is counted by status and code, or by the reason why there is no answer', async (t) => {
  let at = 0
  const bodies = [
    '{"error":{"code":"TAKEN"}}',
    '{"code":"BROKEN"}',
    '{"error":"invalid_grant"}',
    '{"type":"/errors/a"}',
    '{"a":1}',
    'text'
  ]
  const plan = await start(
    t,
    (request, response) => {
      at += 1
      if (at % 7 === 0) request.socket.destroy()
      else response.writeHead(409).end(bodies[at % bodies.length])
    },
    { connections: 1 }
  )
  const { measures } = await drive(plan)
  const errors = [...(measures.operations.get('get')?.errors.keys() ?? [])].sort()
  t.same(errors, ['409', '409 /errors/a', '409 BROKEN', '409 TAKEN', '409 invalid_grant', 'UND_ERR_SOCKET'])
})

t.test('an open model keeps to its rate, and counts the time that requests waited for a connection', async (t) => {
  let first = true
  const plan = await start(
    t,
    (_request, response) => {
      setTimeout(() => response.end(), first ? 150 : 0)
      first = false
    },
    { rate: 200, connections: 1, durationMs: 400 }
  )
  const { measures } = await drive(plan)
  const times = allTimes(measures)
  t.ok(times.count + measures.unsent >= 78 && times.count + measures.unsent <= 81, String(times.count))
  // 30 requests were due while the first was under way; a closed model would tell of one slow request among eighty.
  t.ok(times.percentile(80) >= 20_000, `${times.percentile(80)} µs`)
})

t.test('what was due and found no connection until the end is told', async (t) => {
  const plan = await start(t, (_request, response) => void setTimeout(() => response.end(), 100), {
    rate: 500,
    connections: 1,
    durationMs: 200
  })
  const { measures } = await drive(plan)
  t.ok(measures.unsent > 50)
})

t.test('a slow rate waits for its time, and a signal ends a run early', async (t) => {
  const slow = await start(t, (_request, response) => response.end(), { rate: 20, durationMs: 300 })
  const { measures } = await drive(slow)
  t.equal(allTimes(measures).count, 6)
  const long = await start(t, (_request, response) => response.end(), { durationMs: 60_000, connections: 1 })
  const stopping = new AbortController()
  setTimeout(() => stopping.abort(), 50)
  t.ok(allTimes((await drive(long, undefined, stopping.signal)).measures).count > 0)
})

t.test('a chain uses the row that it made; what was not deleted is told', async (t) => {
  const calls: string[] = []
  const chain: Chain = {
    name: '/things',
    weight: 1,
    idField: 'id',
    steps: [
      {
        operation: 'create',
        kind: 'create',
        method: 'POST',
        path: ['/things'],
        headers: {},
        body: ['{"a":"', { is: 'unique' }, '","b":', { is: 'reference', to: '/b' }, '}']
      },
      {
        operation: 'read',
        kind: 'read',
        method: 'GET',
        path: ['/things/', { is: 'id' }],
        headers: {},
        body: undefined
      },
      {
        operation: 'delete',
        kind: 'delete',
        method: 'DELETE',
        path: ['/things/', { is: 'id' }],
        headers: {},
        body: undefined
      }
    ]
  }
  let made = 0
  const plan = await start(
    t,
    async (request, response) => {
      let body = ''
      for await (const part of request) body += part
      calls.push(`${request.method} ${request.url} ${body}`)
      if (request.method === 'POST') {
        made += 1
        return response.end(made % 4 === 0 ? 'no JSON' : `{"id":${made}}`)
      }
      return response.writeHead(request.method === 'DELETE' && made % 2 === 0 ? 409 : 200).end()
    },
    { connections: 1 },
    [{ ...chain, name: '/never', weight: 0 }, chain]
  )
  plan.rows = { '/b': [7, 'x'] }
  const { left } = await drive(plan)
  t.match(calls.slice(0, 4), [
    /^POST \/base\/things {"a":"ab00000001","b":"x"}$/,
    /^GET \/base\/things\/1 $/,
    /^DELETE \/base\/things\/1 $/,
    /^POST .*"ab00000004","b":7}$/
  ])
  t.match(left[0], { chain: '/things', id: 2 })
  const bare = { ...plan, rows: {} }
  t.ok((await drive(bare)).measures.operations.has('create'))
})
