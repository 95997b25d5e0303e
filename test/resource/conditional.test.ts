import { type SQL, sql } from 'drizzle-orm'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { openDatabase } from '#src/db/open.ts'
import { addVersionTriggers, tablesWithoutVersionTrigger } from '#src/db/row-versions.ts'
import { selectRaw } from '#src/db/rows.ts'
import { startApp, testConfig } from '#test/support/app.ts'
import { createDatabase } from '#test/support/database.ts'
import { fixtures } from '#test/support/fixtures.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const nothing = '/api/v1/categories/01890000-0000-7000-8000-000000000000'

async function category(name: string): Promise<string> {
  const { body } = await send('POST', '/api/v1/categories', { as: admin.token, body: { name } })
  return `/api/v1/categories/${body.id}`
}
const change = (method: string, path: string, headers: Record<string, string>) =>
  send(method, path, { as: admin.token, headers, ...(method !== 'DELETE' && { body: { name: `changed ${path}` } }) })

t.test('a caller that has the current version gets 304 and no body', async (t) => {
  const path = await category('read')
  for (const tag of ['"1"', 'W/"1"', '"7", "1"', '*']) {
    const answer = await send('GET', path, { headers: { 'if-none-match': tag } })
    t.match(answer, { status: 304, text: '', headers: { etag: '"1"' } }, tag)
  }
  for (const tag of ['"2"', '1', '']) {
    t.equal((await send('GET', path, { headers: { 'if-none-match': tag } })).status, 200, tag)
  }
})

t.test('a change of a version that is no longer current is 412 and changes nothing', async (t) => {
  for (const method of ['PATCH', 'PUT', 'DELETE']) {
    const path = await category(`stale ${method}`)
    for (const tag of ['"2"', 'W/"1"', '"x"', 'nonsense']) {
      const answer = await change(method, path, { 'if-match': tag })
      t.match(answer, { status: 412, body: { error: { code: 'PRECONDITION_FAILED' } } }, `${method} ${tag}`)
    }
    t.match(await send('GET', path), { body: { name: `stale ${method}` }, headers: { etag: '"1"' } })
    t.match(await change(method, path, { 'if-match': '"5", "1"' }), { status: method === 'DELETE' ? 204 : 200 })
    t.equal((await change(method, nothing, { 'if-match': '"1"' })).status, 404)
    t.equal((await change(method, nothing, { 'if-match': '*' })).status, 404)
  }
})

t.test('one of a hundred replacements of the same version wins', async (t) => {
  const path = await category('race')
  const body = (index: number) => ({ name: `winner ${index}` })
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      send('PUT', path, { as: admin.token, body: body(index), headers: { 'if-match': '"1"' } })
    )
  )
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 1)
  t.equal(statuses.filter((status) => status === 412).length, 99)
})

t.test('an empty patch changes nothing, not even the version', async (t) => {
  const path = await category('still')
  const patch = (headers = {}) => send('PATCH', path, { as: admin.token, body: {}, headers })
  t.match(await patch(), { status: 200, headers: { etag: '"1"' } })
  t.match(await patch({ 'if-match': '"1"' }), { status: 200 })
  t.match(await patch({ 'if-match': '"2"' }), { status: 412 })
  t.match(await patch({ 'content-type': 'application/merge-patch+json' }), { status: 200 })
})

t.test('a merge patch sets null, and leaves what it does not name', async (t) => {
  const { body } = await send('POST', '/api/v1/categories', {
    as: admin.token,
    body: { name: 'merge', description: 'old' }
  })
  const path = `/api/v1/categories/${body.id}`
  t.match((await send('PATCH', path, { as: admin.token, body: { description: null } })).body, {
    name: 'merge',
    description: null
  })
  t.match(await send('PATCH', path, { as: admin.token, body: { name: null } }), { status: 422 })
})

t.test('a patch of an object changes the part it names', async (t) => {
  const body = { sku: 'V2', name: 'Priced', price: { amount: 500, currency: 'EUR' } }
  const created = await send('POST', '/api/v2/products', { as: admin.token, body })
  t.match(created, {
    status: 201,
    headers: { location: /^\/api\/v2\/products\// },
    body: { price: { amount: 500, currency: 'EUR' } }
  })
  const path = `/api/v2/products/${created.body.id}`
  const patch = (price: object) => send('PATCH', path, { as: admin.token, body: { price } })
  t.match((await patch({ amount: 7 })).body, { price: { amount: 7, currency: 'EUR' } })
  t.match(await patch({}), { status: 200, headers: { etag: '"2"' } })
  t.match(await patch({ amount: null }), { status: 422, body: { details: [{ path: '/price/amount' }] } })
  t.match(await send('GET', path.replace('v2', 'v1')), { body: { priceCents: 7, currency: 'EUR' } })
})

t.test('a change on condition that there is none, or not this one, is 412 when there is', async (t) => {
  for (const method of ['PATCH', 'PUT', 'DELETE']) {
    const path = await category(`none ${method}`)
    for (const tag of ['*', '"1"', 'W/"1"', '"7", "1"']) {
      const answer = await change(method, path, { 'if-none-match': tag })
      t.match(answer, { status: 412, body: { error: { code: 'PRECONDITION_FAILED' } } }, `${method} ${tag}`)
    }
    const contradiction = { 'if-match': '"1"', 'if-none-match': '*' }
    t.equal((await change(method, path, contradiction)).status, 412)
    t.match(await send('GET', path), { body: { name: `none ${method}` }, headers: { etag: '"1"' } })
    t.equal((await change(method, nothing, { 'if-none-match': '*' })).status, 404)
    t.ok((await change(method, path, { 'if-none-match': '"2", "x"' })).status < 300)
  }
  const path = await category('none empty')
  const patch = (tag: string) => send('PATCH', path, { as: admin.token, body: {}, headers: { 'if-none-match': tag } })
  t.equal((await patch('"1"')).status, 412)
  t.equal((await patch('*')).status, 412)
  t.equal((await patch('"2"')).status, 200)
})

t.test('the ETag moves with what a foreign key sets to null, and with what is included', async (t) => {
  const as = admin.token
  const fk = sql`constraint products_category_id_categories_id_fk`
  await app.db.execute(sql`alter table products drop ${fk},
    add ${fk} foreign key (category_id) references categories (id) on delete set null`)
  const place = await category('to be deleted')
  const categoryId = place.split('/').at(-1)
  const body = { sku: 'SET-NULL', name: 'Desk', priceCents: 1, categoryId }
  const created = await send('POST', '/api/v1/products', { as, body })
  const path = created.headers.location as string
  const tagOf = async (query = '') => (await send('GET', path + query)).headers.etag as string
  const included = await tagOf('?include=category')
  t.match(included, /^"1-/)
  await change('PATCH', place, {})
  t.not(await tagOf('?include=category'), included, 'the category has another name')
  t.equal(await tagOf(), '"1"', 'the row itself is as it was')
  t.equal((await send('PATCH', path, { as, body: {}, headers: { 'if-match': included } })).status, 200)
  const page = (await send('GET', '/api/v1/products?sku=SET-NULL')).headers.etag as string
  t.equal((await send('DELETE', place, { as })).status, 204)
  t.match(await send('GET', path, { headers: { 'if-none-match': '"1"' } }), { status: 200, body: { categoryId: null } })
  t.equal(await tagOf(), '"2"')
  for (const tag of ['"1"', included]) {
    t.match(await send('PATCH', path, { as, body: { stock: 1 }, headers: { 'if-match': tag } }), { status: 412 }, tag)
  }
  t.equal((await send('GET', '/api/v1/products?sku=SET-NULL', { headers: { 'if-none-match': page } })).status, 200)
})

t.test('generated columns do not hide that a statement changed nothing', async (t) => {
  const { db } = app
  await db.execute(sql`create table made (id int, price int, twice int generated always as (price * 2) stored, note json,
    updated_at timestamptz not null default now(), version integer not null default 1)`)
  t.same(await tablesWithoutVersionTrigger(db, ['made', 'categories', 'nowhere']), ['made'])
  await Promise.all([1, 2].map(() => addVersionTriggers(db, ['made'], () => {})))
  t.same(await tablesWithoutVersionTrigger(db, ['made']), [])
  await addVersionTriggers(db, ['made'], () => {})
  await db.execute(sql`insert into made (id, price, note) values (1, 5, '{"a":1}')`)
  const versionAfter = async (statement: SQL) => {
    await db.execute(statement)
    return (await selectRaw<{ version: number }>(db, sql`select version from made`))[0]?.version
  }
  t.equal(await versionAfter(sql`update made set price = price`), 1)
  t.equal(await versionAfter(sql`update made set price = 6`), 2)
  t.equal(await versionAfter(sql`update made set note = '{"a":2}'`), 3)
  t.equal(await versionAfter(sql`update made set note = '{"a":3}', version = 8`), 8)
  t.equal(await versionAfter(sql`update made set note = '{"a":4}', updated_at = '2001-01-01'`), 9)
})

t.test('a start that may not migrate names the table without the trigger that moves its ETags', async (t) => {
  const place = await createDatabase(t)
  const { db, close } = await openDatabase({ url: place.DATABASE_URL, dataDir: place.DATA_DIR, poolMax: 1 })
  await db.execute(sql`drop trigger tenon_raise_version on items`)
  await close()
  const lines: string[] = []
  const log = { write: (line: string) => lines.push(line) > 0 }
  const started = await buildApp(testConfig(place, { LOG_LEVEL: 'warn' }), { log })
  await started.close()
  t.match(lines.join(''), /'items' has none/)
})

t.test('a new row replaces none, so nothing is asked of it', async (t) => {
  const headers = { 'if-none-match': '*' }
  t.equal((await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'New' }, headers })).status, 201)
})

t.test('a change without a required If-Match is 428 and changes nothing', async (t) => {
  const { send, someone, app } = await startApp(t, {}, fixtures)
  const careful = await someone('admin')
  const created = await send('POST', '/api/v1/careful', { as: careful.token, body: { name: 'careful' } })
  const path = created.headers.location as string
  const attempt = (method: string, headers: Record<string, string>) =>
    send(method, path, { as: careful.token, headers, ...(method !== 'DELETE' && { body: { name: method } }) })
  for (const method of ['PATCH', 'PUT', 'DELETE']) {
    for (const headers of [{}, { 'if-none-match': '"9"' }] as Record<string, string>[]) {
      const refused = await attempt(method, headers)
      t.match(refused, { status: 428, body: { error: { code: 'PRECONDITION_REQUIRED' } } }, method)
    }
    const { etag } = (await send('GET', path)).headers
    t.ok((await attempt(method, { 'if-match': etag as string })).status < 300, method)
  }
  const { paths } = app.swagger() as unknown as { paths: Record<string, Record<string, { responses: object }>> }
  t.match(paths['/api/v1/careful/{id}']?.put?.responses, { 428: Object }, 'and is documented')
})
