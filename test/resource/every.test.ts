import type { TSchema } from '@sinclair/typebox'
import t from 'tap'
import type { Resource } from '#src/resource/model.ts'
import { bare } from '#src/schema/fields.ts'
import { startApp } from '#test/support/app.ts'
import { sampleOf } from '#test/support/samples.ts'

// The same promises for every declared resource, from its declaration alone: a new folder is covered when it is there.
const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const resources = new Map<string, Resource>()
const has = new Set<string>()
for (const { method, url, config } of app.routeTable) {
  has.add(`${method} ${url}`)
  if (config?.resource && /^\/api\/v\d+\/[\w-]+$/.test(url)) resources.set(url, config.resource)
}
t.ok(resources.size >= 6)
for (const path of ['/api/v1/users', '/api/v1/roles']) {
  for (const verb of ['POST', 'PATCH', 'DELETE']) t.ok(has.has(`${verb} ${path}/bulk`), `${verb} ${path}/bulk`)
  t.ok(has.has(`POST ${path}/import`), `${path}/import`)
}

// Two versions of a resource share a table.
let made = 0

// A body that fits, whose texts differ from one number to the next so that what is unique stays unique.
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

  t.test(`${path}: nothing of it is open to who may not`, async (t) => {
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
