import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { send, someone } = await startApp(t)
const admin = await someone('admin')

t.test('creates, reads, changes, replaces and deletes', async (t) => {
  const created = await send('POST', '/api/v1/products', {
    as: admin.token,
    body: { sku: 'DESK-1', name: 'Desk', priceCents: 1800, tags: ['oak', 'a, "quoted" \\ tag'] }
  })
  t.equal(created.status, 201)
  t.match(created.body, {
    stock: 0,
    currency: 'USD',
    active: true,
    categoryId: null,
    tags: ['oak', 'a, "quoted" \\ tag']
  })
  const path = `/api/v1/products/${created.body.id}`
  t.equal(created.headers.location, path)
  t.equal(created.headers.etag, '"1"')

  const read = await send('GET', path)
  t.same(read.body, created.body)

  const changed = await send('PATCH', path, { as: admin.token, body: { stock: 5, description: 'Wide' } })
  t.equal(changed.status, 200)
  t.match(changed.body, { stock: 5, description: 'Wide', sku: 'DESK-1' })
  t.equal(changed.headers.etag, '"2"')
  t.ok(changed.body.updatedAt >= created.body.updatedAt)

  const replaced = await send('PUT', path, { as: admin.token, body: { sku: 'DESK-2', name: 'Desk', priceCents: 0 } })
  t.match(replaced.body, { sku: 'DESK-2', stock: 0, description: null, tags: [], priceCents: 0 })

  t.equal((await send('DELETE', path, { as: admin.token })).status, 204)
  t.equal((await send('GET', path)).status, 404)
  t.equal((await send('DELETE', path, { as: admin.token })).status, 404)
})
