import { randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { v7 } from 'uuid'
import { ApiError } from '#src/errors.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { keysOf } from '#src/resource/bulk/constraints.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { conflictSchemas, makeWriteOf } from '#src/resource/operations/bulk-create.ts'
import { integer } from '#src/resource/types/numbers.ts'
import { ReadOnly } from '#src/schema/fields.ts'
import { createBadges } from '#test/fixtures/routes/api/v1/badges/index.ts'
import { createSlots, Slot, slots, slotsResource } from '#test/fixtures/routes/api/v1/slots/index.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'

const { app, send, someone } = await startApp(t, {}, fixtures)
await app.db.execute(createSlots)
await app.db.insert(roles).values({ name: 'slotter', scopes: ['slots:read', 'slots:write', 'slots:delete'] })
const [ada, bob] = [(await someone('slotter')).token, (await someone('slotter')).token]
await app.db.insert(roles).values({ name: 'badger', scopes: ['badges:read', 'badges:write'] })
const badger = (await someone('badger')).token
const admin = (await someone('admin')).token
const path = '/api/v1/slots'
const slot = (code: string, startsAt = 0, endsAt = 10, more: object = {}) => ({ code, startsAt, endsAt, ...more })
const bulk = (method: string, body: object, as = ada, query = '?mode=partial') =>
  send(method, `${path}/bulk${query}`, { as, body })
const statuses = ({ body }: Answered) =>
  body.results.map((one: { status: string; error?: { code: string; details: { path: string; code: string }[] } }) =>
    [one.status, one.error?.code, one.error?.details.map((fault) => `${fault.path} ${fault.code}`).join()]
      .filter(Boolean)
      .join(' ')
  )

t.test('computed fields are in every answer, and in no body', async (t) => {
  const created = await send('POST', path, { as: ada, body: slot('c', 5, 12) })
  t.match(created, { status: 201, body: { length: 7, title: 'c at 5' } })
  const one = `${path}/${created.body.id}`
  t.match((await send('GET', one, { as: ada })).body, { length: 7, title: 'c at 5' })
  t.match((await send('PATCH', one, { as: ada, body: { endsAt: 20 } })).body, { length: 15 })
  t.match((await send('GET', `${path}?fields=title,length`, { as: ada })).body.data, [{ title: 'c at 5', length: 15 }])
  t.match(
    (await send('GET', `${path}/export`, { as: ada, headers: { accept: 'text/csv' } })).text,
    /length,title\n.*,15,c at 5\n/
  )
  t.match((await send('GET', `${path}/export?fields=title`, { as: ada })).text, /^\{"title":"c at 5"\}\n$/)
  t.same((await send('GET', `${one}?fields=title`, { as: ada })).body, { title: 'c at 5' })
  t.match(await send('PATCH', one, { as: ada, body: { length: 1 } }), {
    status: 422,
    body: { details: [{ code: 'unknown' }] }
  })
  t.equal((await send('DELETE', one, { as: ada })).status, 204)
})

t.test('rules between fields hold for create, replace, patch, bulk and import', async (t) => {
  const wrong = {
    status: 422,
    body: { details: [{ in: 'body', path: '/endsAt', code: 'order', message: 'must not be before startsAt' }] }
  }
  t.match(await send('POST', path, { as: ada, body: slot('r', 5, 4) }), wrong)
  t.match(await send('POST', path, { as: ada, body: { code: 'r', startsAt: 11 } }), wrong, 'defaults are filled in')
  const { body, headers } = await send('POST', path, { as: ada, body: slot('r', 5, 6) })
  const one = `${path}/${body.id}`
  t.match(await send('PUT', one, { as: ada, body: slot('r', 5, 4) }), wrong)
  t.match(
    await send('PATCH', one, { as: ada, body: { startsAt: 7 } }),
    wrong,
    'a patch is checked on the row that it makes'
  )
  t.match(await send('PATCH', one, { as: ada, body: { startsAt: 7, endsAt: 8 } }), { status: 200 })
  t.match(
    await send('PATCH', one, { as: ada, body: { code: 'r2' }, headers: { 'if-match': headers.etag as string } }),
    { status: 412 }
  )
  t.match(await send('PATCH', one, { as: bob, body: { startsAt: 0 } }), { status: 404 })
  const both = await Promise.all(
    [{ startsAt: 20 }, { endsAt: 0 }].map((patch) => send('PATCH', one, { as: ada, body: patch }))
  )
  t.same(
    both.map(({ status }) => status),
    [422, 422]
  )
  t.same(statuses(await bulk('POST', { items: [slot('r3', 5, 4), slot('r4')] })), [
    'failed VALIDATION_FAILED /items/0/endsAt order',
    'created'
  ])
  const items = [
    { id: body.id, startsAt: 99 },
    { id: v7(), startsAt: 99 }
  ]
  t.same(statuses(await bulk('PATCH', { items })), [
    'failed VALIDATION_FAILED /items/0/endsAt order',
    'failed NOT_FOUND /items/1/id notFound'
  ])
  t.same(statuses(await bulk('PATCH', { items: items.slice(0, 1) })), [
    'failed VALIDATION_FAILED /items/0/endsAt order'
  ])
  t.same(statuses(await bulk('PATCH', { items: [{ id: body.id, startsAt: 1 }] })), ['updated'])
  const upserts = { items: [{ code: 'r2', startsAt: 99 }], onConflict: 'update' }
  t.match((await bulk('POST', upserts)).body.results, [{ status: 'failed' }])
  const stored = await send('POST', path, { as: ada, body: slot('r6', 5, 9) })
  const late = await bulk('POST', { items: [{ code: 'r6', startsAt: 99 }], onConflict: 'update' })
  t.same(statuses(late), ['failed VALIDATION_FAILED /items/0/endsAt order'], 'checked on the stored row and the patch')
  t.equal(late.body.results[0].id, stored.body.id)
  const imported = await send('POST', `${path}/import`, {
    as: ada,
    body: `${JSON.stringify(slot('r5', 5, 4))}\n`,
    headers: { 'content-type': 'application/x-ndjson' }
  })
  t.match(imported.body.errors, [{ line: 1, details: [{ path: '/endsAt', code: 'order' }] }])
})

t.test('an upsert tells of another row only that its key is taken, and no rule of what it holds', async (t) => {
  const made = await send('POST', path, { as: ada, body: slot('theirs', 50, 60) })
  t.same(statuses(await bulk('POST', { items: [{ code: 'theirs', endsAt: 1 }], onConflict: 'update' }, bob)), [
    statuses(await bulk('POST', { items: [{ code: 'theirs', endsAt: 70 }], onConflict: 'update' }, bob))[0]
  ])
  t.same(statuses(await bulk('POST', { items: [slot('theirs', 70, 80)], onConflict: 'update' }, bob)), [
    'failed CONFLICT /items/0/code unique'
  ])
  await send('DELETE', `${path}/${made.body.id}`, { as: ada })
})

t.test('a number that is too large for its column is refused by its name, one or many', async (t) => {
  const refused = (path: string, code = 'maximum') => ({ status: 422, body: { details: [{ path, code }] } })
  t.match(await send('POST', path, { as: ada, body: slot('n', 2 ** 31, 2 ** 31) }), refused('/startsAt'))
  const { body } = await send('POST', path, { as: ada, body: slot('n', 2 ** 31 - 1, 2 ** 31 - 1) })
  t.match(await send('PATCH', `${path}/${body.id}`, { as: ada, body: { endsAt: 2 ** 40 } }), refused('/endsAt'))
  t.match(await bulk('PATCH', { items: [{ id: body.id, endsAt: 2 ** 40 }] }, ada, ''), refused('/items/0/endsAt'))
  await send('DELETE', `${path}/${body.id}`, { as: ada })
  t.throws(
    () => integer.store?.(slots.startsAt, ['a', 'b'], Type.Integer())?.(-(2 ** 31) - 1),
    new ApiError('VALIDATION_FAILED', '1 field was refused.')
  )
})

t.test('a refusal of a transform is the fault of its item; an error in it fails the request', async (t) => {
  const reserved = { label: 'reserved' }
  const made = await bulk('POST', { items: [slot('t1', 0, 1, reserved), slot('t2')] })
  t.same(statuses(made), ['failed VALIDATION_FAILED /items/0/label reserved', 'created'])
  const { id } = made.body.results[1]
  t.same(statuses(await bulk('PATCH', { items: [{ id, ...reserved }] })), [
    'failed VALIDATION_FAILED /items/0/label reserved'
  ])
  const change = { items: [{ code: 't2', ...reserved }], onConflict: 'update' }
  t.same(statuses(await bulk('POST', change)), ['failed VALIDATION_FAILED /items/0/label reserved'])
  t.equal((await bulk('POST', { items: [slot('t3', 0, 1, { label: 'broken' })] })).status, 500)
})

t.test('a check of the database is found item by item', async (t) => {
  const items = [slot('k1'), slot('k2', 0, 500), slot('k3'), slot('k4', 0, 101)]
  t.same(statuses(await bulk('POST', { items })), [
    'created',
    'failed VALIDATION_FAILED /items/1 validation_failed',
    'created',
    'failed VALIDATION_FAILED /items/3 validation_failed'
  ])
  const atomic = await bulk('POST', { items: [slot('k5'), slot('k6', 0, 500)] }, ada, '')
  t.match(atomic, { status: 422, body: { details: [{ path: '/items/1' }] } })
  t.equal((await send('GET', `${path}?code=k5`, { as: ada })).body.data.length, 0)
})

t.test('a value that is too long for its index is refused, by itself and among others', async (t) => {
  const long = slot(randomBytes(9000).toString('base64'))
  t.match(await send('POST', path, { as: ada, body: long }), { status: 422 })
  t.same(statuses(await bulk('POST', { items: [slot('i1'), long] })), [
    'created',
    'failed VALIDATION_FAILED /items/1 validation_failed'
  ])
})

t.test('each of several unique fields is reported by its name, and the declared one is the key', async (t) => {
  await bulk('POST', { items: [slot('u1', 0, 1, { label: 'one' }), slot('u2', 0, 1, { label: 'two' })] })
  const items = [
    slot('u3', 0, 1, { label: 'one' }),
    slot('u2'),
    slot('u4', 0, 1, { label: 'new' }),
    slot('u5', 0, 1, { label: 'new' })
  ]
  t.same(statuses(await bulk('POST', { items })), [
    'failed CONFLICT /items/0/label unique',
    'failed CONFLICT /items/1/code unique',
    'created',
    'failed CONFLICT /items/3/label unique'
  ])
  const upsert = {
    items: [slot('u1', 0, 3, { label: 'uno' }), slot('u6', 0, 1, { label: 'two' }), slot('u7')],
    onConflict: 'update'
  }
  t.same(statuses(await bulk('POST', upsert)), ['updated', 'failed CONFLICT /items/1/label unique', 'created'])
  t.match((await send('GET', `${path}?code=u1`, { as: ada })).body.data, [{ label: 'uno', length: 3 }])
})

t.test('an upsert never touches a row of another owner, nor names it', async (t) => {
  await bulk('POST', { items: [slot('adas')] })
  t.same(statuses(await bulk('POST', { items: [slot('adas', 0, 1), slot('bobs')], onConflict: 'update' }, bob)), [
    'failed CONFLICT /items/0/code unique',
    'created'
  ])
  t.same(statuses(await bulk('POST', { items: [slot('adas', 0, 1)] }, bob)), ['failed CONFLICT /items/0/code unique'])
  const skipped = await bulk('POST', { items: [slot('adas', 0, 1)], onConflict: 'skip' }, bob)
  t.match(skipped.body.results, [{ status: 'skipped', id: null }])
  t.match((await send('GET', `${path}?code=adas`, { as: ada })).body.data, [{ length: 10 }])
  t.same(statuses(await bulk('POST', { items: [slot('adas', 0, 2)], onConflict: 'update' }, admin)), ['updated'])
  t.match((await send('GET', `${path}?code=adas`, { as: ada })).body.data, [{ length: 2 }], 'and it stays hers')
})

t.test('changes and deletes over a filter: never without one, never more than may be', async (t) => {
  const cells = '/api/v1/cells'
  const where = (method: string, query: string, as = ada, body?: object) =>
    send(method, `${cells}?${query}`, { as, body })
  await bulk('POST', { items: ['w1', 'w2', 'w3'].map((code) => slot(code, 50, 60)) })
  await bulk('POST', { items: [slot('w4', 50, 60)] }, bob)
  for (const query of [
    'max-affected=5',
    'startsAt=50',
    'max-affected=5&colour=red',
    'max-affected=-1&startsAt=50',
    ''
  ]) {
    t.equal((await where('DELETE', query)).status, 422, query)
    t.equal((await where('PATCH', query, ada, { startsAt: 1 })).status, 422, query)
  }
  const refused = await where('PATCH', 'max-affected=2&startsAt=50', ada, { startsAt: 51 })
  t.match(refused, {
    status: 409,
    body: { error: { code: 'TOO_MANY_AFFECTED', details: { matched: 3, maxAffected: 2 } } }
  })
  t.match(await where('DELETE', 'max-affected=2&startsAt=50'), { status: 409 })
  t.same((await where('PATCH', 'max-affected=3&startsAt=50&code[ne]=w3', ada, { startsAt: 51, label: null })).body, {
    affected: 2
  })
  t.same((await where('PATCH', 'max-affected=3&startsAt=51', ada, {})).body, { affected: 2 })
  t.match((await send('GET', `${path}?code=w1`, { as: ada })).body.data, [{ startsAt: 51, length: 9 }])
  t.same((await where('DELETE', 'max-affected=3&startsAt=51')).body, { affected: 2 })
  t.same((await where('DELETE', 'max-affected=3&or=(code=w3,code=w4)')).body, { affected: 1 })
  t.same((await where('DELETE', 'max-affected=3&q=w4', bob)).body, { affected: 1 })
  t.same((await where('DELETE', 'max-affected=3&q=w4', bob)).body, { affected: 0 })
  t.equal(
    (await send('PATCH', `${path}?max-affected=1&code=x`, { as: ada, body: {} })).status,
    405,
    'not where rules hold'
  )
})

t.test('a verb that is switched off does not exist, and its path is read as an id', async (t) => {
  t.equal((await send('GET', '/api/v1/cells/aggregate', { as: ada })).status, 422)
  t.equal((await send('GET', '/api/v1/cells/export', { as: ada })).status, 422)
})

t.test('a declaration that cannot work stops the start, and says why', async (t) => {
  const { computed: _computed, ...stored } = slotsResource
  t.throws(
    () => compileResource('slots', { ...stored, computed: { code: () => '' } } as never),
    /slots: computed 'code' is not a read-only field/
  )
  for (const upsert of ['startsAt', 'label', 'nothing']) {
    const resource = compileResource('slots', { ...slotsResource, upsert } as never)
    t.throws(() => keysOf(resource), new RegExp(`slots: upsert names '${upsert}'`))
  }
  const readOnly = Type.Object({ ...Slot.properties, code: ReadOnly(Type.String()) }, { $id: 'Slot' })
  const { upsert: _upsert, ...without } = slotsResource
  t.equal(keysOf(compileResource('slots', { ...without, schema: readOnly } as never)).upsert, undefined)
})

t.test('with two unique keys and none declared, an upsert has to name its key', async (t) => {
  const resource = compileResource('slots', slotsResource as never)
  const keys = keysOf(resource)
  t.notOk('default' in (conflictSchemas({ ...keys, upsert: undefined }).conflictKey as object))
  const { body } = await send('POST', path, { as: ada, body: slot('named') })
  const writeOf = makeWriteOf(resource, keys)
  const request = { principal: { userId: body.id, scopes: new Set() } } as never
  const refused = () => writeOf(request, { onConflict: 'update' })
  t.throws(refused, { faults: [{ path: '/conflictKey', code: 'required' }] } as never)
})

t.test('a name that is unique for each owner is a key; JSON fields are patched inside, and by no filter', async (t) => {
  await app.db.execute(createBadges)
  const badges = '/api/v1/badges'
  const upsert = async (name: string, notes: object, as: string) =>
    send('POST', `${badges}/bulk`, { as, body: { items: [{ name, notes }], onConflict: 'update' } })
  t.match((await upsert('first', { a: '1' }, badger)).body, { created: 1 })
  t.match((await upsert('first', { b: '2' }, admin)).body, { created: 1 }, 'the same name of another owner')
  const again = await upsert('first', { a: '2' }, badger)
  t.match(again.body, { updated: 1 })
  const one = `${badges}/${again.body.results[0].id}`
  t.match((await send('PATCH', one, { as: badger, body: { notes: { b: '3' }, name: 'second' } })).body, {
    name: 'second',
    notes: { a: '2', b: '3' }
  })
  const changed = (body: object) => send('PATCH', `${badges}?max-affected=1&name=second`, { as: badger, body })
  t.match(await changed({ notes: {} }), { status: 422, body: { details: [{ path: '/notes', code: 'unknown' }] } })
  t.same((await changed({ name: 'third' })).body, { affected: 1 })
})
