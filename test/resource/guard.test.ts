import { sql } from 'drizzle-orm'
import t from 'tap'
import { type Answered, startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { changes } from '../fixtures/routes/api/v1/vaults/index.ts'

const { app, send, someone } = await startApp(t, {}, fixtures)
await app.db.execute(sql`
  create table slots (id uuid primary key, created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(), version integer not null default 1, owner_id uuid,
    code text not null constraint slots_code_unique unique, label text constraint slots_label_unique unique,
    starts_at integer not null, ends_at integer not null)`)
const as = (await someone('admin')).token
const path = '/api/v1/vaults'
const vault = (code: string, more: object = {}) => ({ code, startsAt: 0, ...more })
const call = (method: string, place: string, body?: unknown, headers?: Record<string, string>) =>
  send(method, path + place, { as, body, ...(headers && { headers }) })
const statuses = ({ body }: Answered) =>
  body.results.map(({ status, error }: { status: string; error?: { code: string } }) =>
    [status, error?.code].filter(Boolean).join(' ')
  )
const codes = async () =>
  (await call('GET', '?sort=id&limit=200')).body.data.map(({ code }: { code: string }) => code).sort()

const sealed = (await call('POST', '', vault('s', { label: 'sealed one' }))).body.id
const open = (await call('POST', '', vault('o'))).body.id
const FORBIDDEN = { status: 403, body: { error: { code: 'FORBIDDEN' } } }

t.test('a guard is asked before every change of one row, in whatever spelling its id is', async (t) => {
  for (const [method, place, body] of [
    ['POST', '', vault('x', { label: 'forbidden' })],
    ['PATCH', `/${sealed}`, { startsAt: 5 }],
    ['PATCH', `/${sealed.toUpperCase()}`, { startsAt: 5 }],
    ['PATCH', `/${open}`, { label: 'forbidden' }],
    ['PUT', `/${sealed}`, vault('s')],
    ['DELETE', `/${sealed}`, undefined],
    ['POST', `/${sealed}/touch`, undefined]
  ] as [string, string, object | undefined][]) {
    t.match(await call(method, place, body), FORBIDDEN, `${method} ${place}`)
  }
  t.match((await call('GET', `/${sealed}`)).body, { startsAt: 0, label: 'sealed one' })
  t.match(await call('POST', `/${open}/touch`), { status: 200, body: { startsAt: 1 } })
  t.match(await call('PATCH', `/${open}`, { startsAt: 2 }, { 'idempotency-key': 'guarded' }), { status: 200 })
  t.same(await codes(), ['o', 's'])
})

t.test('a refused item of a bulk request fails by itself, or all items fail together', async (t) => {
  const items = [vault('b1'), vault('b2', { label: 'forbidden' })]
  t.match(await call('POST', '/bulk', { items }), {
    ...FORBIDDEN,
    body: {
      detail: '1 item was refused. Nothing was changed.',
      details: [{ path: '/items/1', message: 'Not this label.' }]
    }
  })
  t.same(await codes(), ['o', 's'])
  t.same(statuses(await call('POST', '/bulk?mode=partial', { items })), ['created', 'failed FORBIDDEN'])
  const patches = [
    { id: sealed, startsAt: 7 },
    { id: open, startsAt: 7 }
  ]
  t.match(await call('PATCH', '/bulk', { items: patches }), FORBIDDEN)
  t.match((await call('GET', `/${open}`)).body, { startsAt: 2 })
  t.same(statuses(await call('PATCH', '/bulk?mode=partial', { items: patches })), ['failed FORBIDDEN', 'updated'])
  t.match(await call('DELETE', '/bulk', { ids: [open, sealed] }), FORBIDDEN)
  t.same(statuses(await call('DELETE', '/bulk?mode=partial', { ids: [sealed.toUpperCase()] })), ['failed FORBIDDEN'])
  t.same(await codes(), ['b1', 'o', 's'])
})

t.test('an upsert is a change of the row that it finds', async (t) => {
  const items = [vault('s', { startsAt: 9 }), vault('o', { startsAt: 9 }), vault('u')]
  t.match(await call('POST', '/bulk', { items, onConflict: 'update' }), FORBIDDEN)
  t.same(statuses(await call('POST', '/bulk?mode=partial', { items, onConflict: 'update' })), [
    'failed FORBIDDEN',
    'updated',
    'created'
  ])
  t.match((await call('GET', `/${sealed}`)).body, { startsAt: 0, label: 'sealed one' })
  t.same(statuses(await call('POST', '/bulk', { items, onConflict: 'skip' })), ['skipped', 'skipped', 'skipped'])
})

t.test('a row that comes in between is not touched by an upsert', async (t) => {
  const late = { items: [vault('late', { startsAt: 9 })], onConflict: 'update' }
  t.same(statuses(await call('POST', '/bulk?mode=partial', late)), ['failed CONFLICT'])
  t.match((await call('GET', '?code=late')).body.data, [{ startsAt: 0, label: 'sealed late' }])
})

t.test('an import reports each line that is refused', async (t) => {
  const lines = [vault('i1'), vault('i2', { label: 'forbidden' }), vault('s', { startsAt: 9 })]
  const imported = await call(
    'POST',
    '/import?onConflict=update',
    lines.map((one) => `${JSON.stringify(one)}\n`).join(''),
    {
      'content-type': 'application/x-ndjson'
    }
  )
  t.match(imported.body, {
    created: 1,
    failed: 2,
    errors: [
      { line: 2, code: 'FORBIDDEN', message: 'Not this label.' },
      { line: 3, code: 'FORBIDDEN', message: 'It is sealed.' }
    ]
  })
})

t.test('over a filter one refused row refuses all', async (t) => {
  t.match(await call('PATCH', '?max-affected=9&code[in]=o,s', { startsAt: 8 }), FORBIDDEN)
  t.match(await call('DELETE', '?max-affected=9&code[in]=o,s'), FORBIDDEN)
  t.match(await call('DELETE', '?max-affected=1&code[in]=o,s'), {
    status: 409,
    body: { error: { code: 'TOO_MANY_AFFECTED', details: { matched: 2, maxAffected: 1 } } }
  })
  t.match(await call('PATCH', '?max-affected=9&code=o', { startsAt: 8 }), { body: { affected: 1 } })
  t.match(await call('DELETE', '?max-affected=9&code=nothing'), { body: { affected: 0 } })
  t.match((await call('GET', '?code[in]=o,s&sort=code')).body.data, [{ startsAt: 8 }, { startsAt: 0 }])
})

t.test('the hook after changes is called after each change, and after nothing else', async (t) => {
  changes.length = 0
  await call('GET', `/${open}`)
  t.equal(changes.length, 0)
  await call('PATCH', `/${open}`, { startsAt: 3 })
  await call('PATCH', '/bulk', { items: [{ id: open }] })
  await call('POST', '/import', '', { 'content-type': 'application/x-ndjson' })
  t.equal(changes.length, 3)
})
