import type { TSchema } from '@sinclair/typebox'
import { eq, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import t from 'tap'
import { keysOf } from '#src/resource/bulk/constraints.ts'
import { includePaths } from '#src/resource/compile/includes.ts'
import type { Resource } from '#src/resource/model.ts'
import { bare, NOT_BLANK } from '#src/schema/fields.ts'
import { startApp } from '#test/support/app.ts'
import { sampleOf } from '#test/support/samples.ts'

// The same promises for every declared resource, from its declaration alone: a new folder is covered when it is there.
const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const bearer = { authorization: `Bearer ${admin.token}` }
const resources = new Map<string, Resource>()
const has = new Set<string>()
for (const { method, url, config } of app.routeTable) {
  has.add(`${method} ${url}`)
  if (config?.resource && /^\/api\/v\d+\/[\w-]+$/.test(url)) resources.set(url, config.resource)
}
// The rows of the others are made by the server alone.
for (const path of resources.keys()) if (!has.has(`POST ${path}`)) resources.delete(path)
t.ok(resources.size >= 6)
for (const path of ['/api/v1/users', '/api/v1/roles']) {
  for (const verb of ['POST', 'PATCH', 'DELETE']) t.ok(has.has(`${verb} ${path}/bulk`), `${verb} ${path}/bulk`)
  t.ok(has.has(`POST ${path}/import`), `${path}/import`)
}

// Two versions of a resource share a table.
let made = 0

// Gives a valid body. Its texts differ from one call to the next, so that unique values stay unique.
function bodyOf({ variants: { Create } }: Resource): Record<string, unknown> {
  made += 1
  const body = sampleOf(Create as never, (schema) => schema) as Record<string, unknown>
  for (const [name, schema] of Object.entries(Create.properties as Record<string, TSchema>)) {
    const { type, format, pattern, enum: values } = bare(schema)
    if (type !== 'string' || values || !Create.required?.includes(name)) continue
    const texts = [format === 'email' ? `n${made}@example.com` : `sample number ${made}`, `sample-${made}`]
    body[name] = texts.find((text) => new RegExp(pattern ?? '').test(text)) ?? body[name]
  }
  return body
}

const counted = (path: string) =>
  send('GET', `${path}/aggregate`, { as: admin.token }).then(({ body }) => body.data[0].count)

/** Makes a row, in whatever way the resource has. */
async function make(path: string, resource: Resource): Promise<string> {
  const body = path.endsWith('/orders') ? { lines: [{ productId: await product(), quantity: 1 }] } : bodyOf(resource)
  return (await send('POST', path, { as: admin.token, body })).body.id
}

async function product(): Promise<string> {
  const path = '/api/v1/products'
  const body = { ...bodyOf(resources.get(path) as Resource), stock: 9 }
  return (await send('POST', path, { as: admin.token, body })).body.id
}

// What the documentation does not foresee: `send` would refuse it.
const read = async (url: string) => (await app.inject({ url, headers: bearer })).json()

const set = (resource: Resource, id: string, column: string, value: string) =>
  app.db
    .update(resource.table)
    .set({ [column]: sql`${value}` })
    .where(eq(resource.columns.id as AnyPgColumn, id))

for (const [path, resource] of resources) {
  const makes = (verb: string) => has.has(`${verb} ${path}/bulk`)

  t.test(`${path}: bulk creates, patches and deletes, atomic and partial`, { skip: !makes('POST') }, async (t) => {
    const before = await counted(path)
    const items = [1, 2, 3].map(() => bodyOf(resource))
    const bad = { ...bodyOf(resource), nobodyKnowsThis: 1 }
    const post = (body: object, query = '') => send('POST', `${path}/bulk${query}`, { as: admin.token, body })
    t.match(await post({ items: [...items, bad] }), {
      status: 422,
      body: { details: [{ path: '/items/3/nobodyKnowsThis', code: 'unknown' }] }
    })
    t.equal(await counted(path), before)
    const { body } = await post({ items: [...items, bad] }, '?mode=partial')
    t.match(body, { created: 3, failed: 1, results: { 3: { index: 3, error: { code: 'VALIDATION_FAILED' } } } })
    t.equal(await counted(path), before + 3)
    const ids = body.results.slice(0, 3).map(({ id }: { id: string }) => id)
    const secrets = Object.entries(resource.declaration.schema.properties).filter(([, schema]) => schema.writeOnly)
    const row = (await send('GET', `${path}/${ids[0]}`, { as: admin.token })).body
    for (const [name] of secrets) t.notOk(name in row, 'what is write-only is not read')
    if (makes('PATCH')) {
      const patched = await send('PATCH', `${path}/bulk`, {
        as: admin.token,
        body: { items: ids.map((id: string) => ({ id })) }
      })
      t.match(patched.body, { updated: 3, failed: 0 })
    }
    if (makes('DELETE')) {
      const deleted = await send('DELETE', `${path}/bulk`, { as: admin.token, body: { ids } })
      t.match(deleted.body, { deleted: 3, failed: 0 })
      t.equal(await counted(path), before)
    }
  })

  const replaces = has.has(`PUT ${path}/:id`)
  t.test(
    `${path}: a replace takes what a read answered, and refuses a read-only field that differs`,
    { skip: !replaces },
    async (t) => {
      const id = await make(path, resource)
      const url = `${path}/${id}`
      const put = async (body: object, headers = {}) => send('PUT', url, { as: admin.token, body, headers })
      const row = (await send('GET', url, { as: admin.token })).body
      const replaced = await put(row)
      t.equal(replaced.status, 200, replaced.text)
      t.same({ ...replaced.body, updatedAt: undefined }, { ...row, updatedAt: undefined })
      const other: Record<string, unknown> = {
        string: '01890000-0000-7000-8000-000000000000',
        integer: -1,
        number: -1,
        boolean: !row.x,
        array: [],
        object: {}
      }
      const readOnly = Object.entries(resource.declaration.schema.properties).filter(([, schema]) => schema.readOnly)
      t.ok(readOnly.length > 0)
      const now = (await send('GET', url, { as: admin.token })).body
      for (const [name, schema] of readOnly) {
        const value =
          bare(schema).format === 'date-time' ? '2001-01-01T00:00:00.000Z' : other[bare(schema).type as string]
        if (bare(schema).pattern) continue
        t.match(
          await put({ ...now, [name]: value }),
          { status: 422, body: { details: [{ in: 'body', path: `/${name}`, code: 'readOnly' }] } },
          name
        )
      }
      t.same((await send('GET', url, { as: admin.token })).body, now, 'a refused replace changes nothing')
      t.equal((await put({ ...now, id: other.string }, { 'if-match': '"99"' })).status, 412, 'the version comes first')
    }
  )

  const exports = has.has(`GET ${path}/export`)
  t.test(`${path}: exports what an import takes, in both formats`, { skip: !exports }, async (t) => {
    const exported = (accept: string) => send('GET', `${path}/export?sort=id`, { as: admin.token, headers: { accept } })
    if (!has.has(`POST ${path}/import`)) return void t.equal((await exported('text/csv')).status, 200)
    for (const type of ['application/x-ndjson', 'text/csv']) {
      const rows = [10, 11].map(() => bodyOf(resource))
      const load = (body: string, query = '', contentType = 'application/x-ndjson') =>
        send('POST', `${path}/import${query}`, { as: admin.token, body, headers: { 'content-type': contentType } })
      const loaded = await load(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      t.match(loaded.body, { created: 2, failed: 0, errors: [] }, type)
      const text = (await exported(type)).text
      const before = await counted(path)
      // Where nothing is write-only the export has all that a create needs.
      const isWhole = Object.values(resource.declaration.schema.properties).every((schema) => !schema.writeOnly)
      const { body } = await load(text, '?onConflict=skip', type)
      if (isWhole) t.equal(body.failed, 0, type)
      t.equal(body.created + before, await counted(path))
    }
  })

  t.test(`${path}: moments beyond RFC 3339 are told as what they are`, async (t) => {
    const id = await make(path, resource)
    for (const [stored, told] of [
      ['infinity', 'infinity'],
      ['0044-03-15 00:00:00.5+00 BC', '0044-03-15T00:00:00.500Z BC'],
      ['10000-01-01 00:00:00.5+00', '10000-01-01T00:00:00.500Z']
    ] as const) {
      await set(resource, id, 'createdAt', stored)
      t.equal((await read(`${path}/${id}`)).createdAt, told)
      t.same(await read(`${path}/${id}?fields=createdAt`), { createdAt: told })
      const walked: string[] = []
      for (let next: string | null = ''; next !== null && walked.length < 100; ) {
        const { data, page } = await read(`${path}?sort=createdAt&limit=1${next && `&cursor=${next}`}`)
        walked.push(data[0].id)
        next = page.next
      }
      t.equal(walked.filter((one) => one === id).length, 1, `a walk over ${stored} ends, with each row once`)
    }
    await set(resource, id, 'createdAt', '2026-01-01T00:00:00Z')
  })

  t.test(`${path}: each representation has an ETag of its own, which moves whatever changes the row`, async (t) => {
    const id = await make(path, resource)
    const url = `${path}/${id}`
    const get = (query = '', tag?: string) =>
      send('GET', url + query, { as: admin.token, headers: tag ? { 'if-none-match': tag } : {} })
    const includes = includePaths(resource.includes).map((one) => `?include=${one}`)
    const queries = ['', '?fields=id', '?fields=id,createdAt', ...includes]
    const tags = new Map<string, string>()
    for (const query of queries) tags.set(query, (await get(query)).headers.etag as string)
    t.equal(new Set(tags.values()).size, queries.length, 'no two are the same')
    const isPatched = has.has(`PATCH ${path}/:id`)
    for (const [query, tag] of tags) {
      t.match(await get(query, tag), { status: 304, text: '', headers: { etag: tag } }, query)
      const head = await app.inject({ method: 'HEAD', url: url + query, headers: bearer })
      t.equal(head.headers.etag, tag, `HEAD ${query}`)
      if (query !== '') t.equal((await get('', tag)).status, 200, `the whole is not ${query}`)
      const patch = () => send('PATCH', url, { as: admin.token, body: {}, headers: { 'if-match': tag } })
      if (isPatched) t.match(await patch(), { status: 200, headers: { etag: tags.get('') } })
    }
    const before = await get()
    await set(resource, id, 'createdAt', before.body.createdAt)
    t.equal((await get()).headers.etag, tags.get(''), 'a statement that changes nothing leaves it')
    await set(resource, id, 'createdAt', '2001-01-01T00:00:00Z')
    const after = await get('', tags.get(''))
    t.equal(after.status, 200)
    t.ok(after.body.updatedAt > before.body.updatedAt)
    if (isPatched) {
      const headers = { 'if-match': tags.get('') as string }
      t.equal((await send('PATCH', url, { as: admin.token, body: {}, headers })).status, 412)
    }
    for (const query of ['?limit=1', '?limit=1&fields=id', ...includes.map((one) => `${one}&limit=1`)]) {
      const list = (tag = '') => send('GET', path + query, { as: admin.token, headers: { 'if-none-match': tag } })
      const { etag } = (await list()).headers
      t.match(etag, /^W\/"/)
      t.match(await list(etag), { status: 304, text: '', headers: { etag } }, query)
    }
  })

  const writes = Object.entries(resource.variants.Update.properties as Record<string, TSchema>)
  for (const [name, schema] of writes.filter(([, { format }]) => format === 'date-time')) {
    t.test(`${path}: fractions of ${name} are cut and not rounded`, async (t) => {
      const id = await make(path, resource)
      for (const [sent, told] of [
        ['9999-12-31T23:59:59.9996Z', '9999-12-31T23:59:59.999Z'],
        ['2046-01-31T23:59:59.999999999Z', '2046-01-31T23:59:59.999Z'],
        ['2046-01-31T23:59:59.9995+02:00', '2046-01-31T21:59:59.999Z']
      ]) {
        const { body } = await send('PATCH', `${path}/${id}`, { as: admin.token, body: { [name]: sent } })
        t.equal(body[name], told)
        const bulk = await send('PATCH', `${path}/bulk`, { as: admin.token, body: { items: [{ id, [name]: sent }] } })
        t.match(bulk.body, { updated: 1 })
        t.equal((await send('GET', `${path}/${id}`, { as: admin.token })).body[name], told, schema.format)
        const made = await send('POST', path, { as: admin.token, body: { ...bodyOf(resource), [name]: sent } })
        t.equal(made.body[name], told)
      }
    })
  }

  for (const { field } of resource.json) {
    const { name } = field
    t.test(`${path}: a patch is merged into ${name} (RFC 7396), one or many, also at once`, async (t) => {
      const id = await make(path, resource)
      const patch = (value: unknown) => send('PATCH', `${path}/${id}`, { as: admin.token, body: { [name]: value } })
      const bulk = (value: unknown, query = '') =>
        send('PATCH', `${path}/bulk${query}`, { as: admin.token, body: { items: [{ id, [name]: value }] } })
      const stored = async () => (await send('GET', `${path}/${id}`, { as: admin.token })).body[name]
      t.equal((await patch(null)).body[name], null)
      t.same((await patch({ a: '1', b: '2', gone: null })).body[name], { a: '1', b: '2' })
      t.same((await patch({ b: null, c: '3' })).body[name], { a: '1', c: '3' })
      t.match(await bulk({ c: null, d: '4' }), { status: 200 })
      t.same(await stored(), { a: '1', d: '4' })
      t.match(await patch({ a: 5 }), { status: 422, body: { details: [{ path: `/${name}/a` }] } })
      const tooMany = Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`n${n}`, 'x']))
      t.match(await patch(tooMany), { status: 422, body: { details: [{ path: `/${name}`, code: 'maxProperties' }] } })
      t.match(await bulk(tooMany), { status: 422, body: { details: [{ path: `/items/0/${name}` }] } })
      t.same(await stored(), { a: '1', d: '4' })
      const some = ['p', 'q', 'r', 's', 'u', 'v']
      await Promise.all(some.map((member, n) => (n % 2 ? patch : bulk)({ [member]: member })))
      t.same(Object.keys(await stored()).toSorted(), ['a', 'd', ...some])
    })
  }

  const { upsert } = keysOf(resource)
  t.test(
    `${path}: an upsert with only the key keeps every other field`,
    { skip: !upsert || !makes('POST') },
    async (t) => {
      const id = await make(path, resource)
      const { body: before, headers } = await send('GET', `${path}/${id}`, { as: admin.token })
      const item = Object.fromEntries((upsert?.fields ?? []).map((field) => [field, before[field]]))
      for (const [method, url, body, type] of [
        ['POST', `${path}/bulk`, { items: [item], onConflict: 'update' }, 'application/json'],
        ['POST', `${path}/import?onConflict=update`, JSON.stringify(item), 'application/x-ndjson'],
        ['POST', `${path}/import?onConflict=update`, `${Object.keys(item)}\n${Object.values(item)}\n`, 'text/csv']
      ] as const) {
        const options = { as: admin.token, body: body as string, headers: { 'content-type': type } }
        t.match((await send(method, url, options)).body, { updated: 1, failed: 0 }, type)
        const after = await send('GET', `${path}/${id}`, { as: admin.token })
        t.same([after.body, after.headers.etag], [before, headers.etag], type)
      }
    }
  )

  const names = writes.filter(([, schema]) => bare(schema).pattern === NOT_BLANK)
  t.test(`${path}: a name of blanks only is refused`, { skip: names.length === 0 }, async (t) => {
    const id = await make(path, resource)
    for (const [name] of names) {
      for (const blank of [' ', '\t\n', '\u00a0\u3000']) {
        t.match(await send('PATCH', `${path}/${id}`, { as: admin.token, body: { [name]: blank } }), {
          status: 422,
          body: { details: [{ path: `/${name}`, code: 'pattern', message: 'must have more in it than blanks' }] }
        })
      }
    }
  })

  t.test(`${path}: one Idempotency-Key takes the same JSON with its members in another order`, async (t) => {
    const id = await make(path, resource)
    const [method, url] = has.has(`PATCH ${path}/:id`) ? ['PATCH', `${path}/${id}`] : ['POST', path]
    const body =
      method === 'PATCH' ? bodyOf(resource) : { note: 'x', lines: [{ productId: await product(), quantity: 1 }] }
    const reversed = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, one]) => [key, reversed(one)])
          )
    const headers = { 'idempotency-key': `order-${path}` }
    const first = await send(method, url, { as: admin.token, body, headers })
    const again = await send(method, url, { as: admin.token, body: reversed(body) as object, headers })
    t.ok(first.status < 300)
    t.match(again, { status: first.status, headers: { 'idempotency-replayed': 'true' }, body: first.body })
    const other = await send(method, url, {
      as: admin.token,
      body: { ...body, [Object.keys(body)[0] as string]: 'y' },
      headers
    })
    t.equal(other.status, 422)
  })

  t.test(`${path}: every operation refuses callers without access`, async (t) => {
    const { access } = resource.declaration
    for (const [method, place, scope] of [
      ['POST', '/bulk', access.write],
      ['PATCH', '/bulk', access.write],
      ['DELETE', '/bulk', access.delete],
      ['POST', '/import', access.write],
      ['GET', '/export', access.read],
      ['GET', '/aggregate', access.read]
    ] as const) {
      if (!has.has(`${method} ${path}${place}`) || scope === 'public') continue
      t.equal((await send(method, path + place)).status, 401, `${method} ${place}`)
    }
  })
}
