import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const created = await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Mine', description: 'Private' } })
const path = `/api/v1/items/${created.body.id}`

t.test('a row belongs to the user that creates it', async (t) => {
  t.match(created, { status: 201, body: { ownerId: ada.id } })
  t.equal((await send('GET', path, { as: ada.token })).status, 200)
  const refused = await send('POST', '/api/v1/items', { as: bob.token, body: { title: 'x', ownerId: ada.id } })
  t.match(refused, { status: 422, body: { details: [{ path: '/ownerId', code: 'unknown' }] } })
})

t.test('404 for someone else, as if it did not exist', async (t) => {
  const nothing = '/api/v1/items/01890000-0000-7000-8000-000000000000'
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    for (const headers of [{}, { 'if-match': '"1"' }] as Record<string, string>[]) {
      const sent = { as: bob.token, headers, ...(['PATCH', 'PUT'].includes(method) && { body: { title: 'Theirs' } }) }
      const [theirs, none] = [await send(method, path, sent), await send(method, nothing, sent)]
      t.equal(theirs.status, 404, method)
      t.same({ ...theirs.body, instance: '' }, { ...none.body, instance: '' }, method)
      t.notMatch(theirs.text, /Mine|Private/)
    }
  }
  t.equal((await send('GET', path, { as: ada.token })).body.title, 'Mine')
})

t.test("a list has only what is the caller's, however it is filtered", async (t) => {
  await send('POST', '/api/v1/items', { as: bob.token, body: { title: 'Bobs' } })
  for (const query of [
    '',
    '?title=Mine',
    `?ownerId=${ada.id}`,
    '?q=private',
    '?sort=-title&count=exact',
    '?offset=0'
  ]) {
    const { body, text } = await send('GET', `/api/v1/items${query}`, { as: bob.token })
    t.notMatch(text, /Mine|Private/, query)
    t.notOk(body.page.total > 1, query)
  }
  t.equal(
    (await send('GET', '/api/v1/items?count=exact', { as: admin.token })).body.page.total,
    2,
    'administrators see all'
  )
  t.equal((await send('PATCH', path, { as: admin.token, body: { title: 'Seen' } })).body.ownerId, ada.id)
})

t.test('a cursor of one owner opens nothing of another', async (t) => {
  await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Second' } })
  const { next } = (await send('GET', '/api/v1/items?limit=1', { as: ada.token })).body.page
  const { text } = await send('GET', `/api/v1/items?cursor=${next}`, { as: bob.token })
  t.notMatch(text, /Seen|Second/)
})
