import { once } from 'node:events'
import { connect } from 'node:net'
import { sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { EventLog } from '#src/events/log.ts'
import { startApp } from '#test/support/app.ts'
import { until } from '#test/support/until.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const address = await app.listen({ port: 0, host: '127.0.0.1' })
const STREAM = `${address}/api/v1/events/stream`
const item = async (title: string, as = ada.token) =>
  (await send('POST', '/api/v1/items', { as, body: { title } })).body

interface Piece {
  id: string
  event: string
  data: { id: string; type: string; data: { title: string } }
}

/** Follows events. Each call of `next` gives the next one; undefined when the stream has ended. */
async function follow(t: Test, query = '', headers: Record<string, string> = {}, as = ada.token) {
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const answer = await fetch(`${STREAM}${query}`, {
    headers: { authorization: `Bearer ${as}`, ...headers },
    signal: abort.signal
  })
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  async function nextPiece(): Promise<string | undefined> {
    while (!text.includes('\n\n')) {
      const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }))
      if (done) return undefined
      text += value
    }
    const end = text.indexOf('\n\n')
    const piece = text.slice(0, end)
    text = text.slice(end + 2)
    return piece
  }
  async function next(): Promise<Piece | undefined> {
    for (;;) {
      const piece = await nextPiece()
      if (piece === undefined) return undefined
      const fields = Object.fromEntries(piece.split('\n').map((line) => line.split(/: (.*)/, 2)))
      if (fields.data) return { ...fields, data: JSON.parse(fields.data) }
    }
  }
  return { answer, next, nextPiece, leave: () => abort.abort() }
}
const titleOf = (piece: Piece | undefined) => piece?.data.data.title

t.test('a stream gives each event as it is committed, from now on', async (t) => {
  await item('before')
  const { answer, next, nextPiece } = await follow(t)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/event-stream')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('content-encoding'), null)
  t.match(await nextPiece(), /^retry: \d{4}\nid: \S+$/)
  const made = await item('first')
  const piece = (await next()) as Piece
  t.equal(piece.event, 'item.created')
  const { body } = await send('GET', `/api/v1/events/${piece.data.id}`, { as: ada.token })
  t.same(piece.data, body)
  t.same(piece.data.data, made)
  await item('second')
  const second = (await next()) as Piece
  t.equal(titleOf(second), 'second')
  const page = (await send('GET', `/api/v1/events?cursor=${piece.id}`, { as: ada.token })).body
  t.same(page.data[0], second.data, 'the id of an event is a cursor of the list')
})

t.test('a reader that comes back gets what it missed, once', async (t) => {
  const { next, leave } = await follow(t)
  await item('one')
  const { id } = (await next()) as Piece
  leave()
  await item('two')
  await item('three')
  const again = await follow(t, '', { 'last-event-id': id })
  t.same([titleOf(await again.next()), titleOf(await again.next())], ['two', 'three'])
  await item('four')
  t.equal(titleOf(await again.next()), 'four')
  const byCursor = await follow(t, `?cursor=${id}`)
  t.equal(titleOf(await byCursor.next()), 'two')
  const both = await follow(t, '?cursor=nonsense', { 'last-event-id': id })
  t.equal(titleOf(await both.next()), 'two', 'a browser comes back to the same URL with a header')
})

t.test('a reader that was cut off before its first event goes on by the id that it got at first', async (t) => {
  const { nextPiece, leave } = await follow(t)
  const id = /id: (\S+)/.exec((await nextPiece()) as string)?.[1] as string
  leave()
  await item('meanwhile')
  t.equal(titleOf(await (await follow(t, '', { 'last-event-id': id })).next()), 'meanwhile')
})

t.test('a stream has the events that its caller may read, by type and subject', async (t) => {
  const ofBob = await follow(t, '', {}, bob.token)
  const ofAdmin = await follow(t, '?type=item.deleted,order.*', {}, admin.token)
  const { id } = await item('of Ada')
  const subject = await follow(t, `?subject=items/${id}`)
  await item('of Bob', bob.token)
  t.equal(titleOf(await ofBob.next()), 'of Bob')
  await send('PATCH', `/api/v1/items/${id}`, { as: ada.token, body: { title: 'changed' } })
  await send('DELETE', `/api/v1/items/${id}`, { as: ada.token })
  t.equal((await ofAdmin.next())?.event, 'item.deleted')
  t.same([(await subject.next())?.event, (await subject.next())?.event], ['item.updated', 'item.deleted'])
})

t.test('what cannot be followed is refused', async (t) => {
  const refused = async (query: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${STREAM}${query}`, { headers: { authorization: `Bearer ${ada.token}`, ...headers } })
    const body = (await answer.json()) as { error: { code: string } }
    return [answer.status, body.error.code]
  }
  const before = (await send('GET', '/api/v1/events?limit=1', { as: ada.token })).body.page.next
  const previous = (await send('GET', `/api/v1/events?limit=1&cursor=${before}`, { as: ada.token })).body.page.previous
  t.same(await refused('', { 'last-event-id': 'nonsense' }), [400, 'INVALID_CURSOR'])
  t.same(await refused('', { 'last-event-id': previous }), [400, 'INVALID_CURSOR'])
  t.same(await refused('', { 'last-event-id': 'x'.repeat(201) }), [422, 'VALIDATION_FAILED'])
  t.same(await refused('?type=nothing.happened'), [422, 'VALIDATION_FAILED'])
  t.same(await refused('?limit=1'), [422, 'VALIDATION_FAILED'])
  t.same(await refused('', { authorization: '' }), [401, 'UNAUTHENTICATED'])
  t.same(await refused('', { accept: 'application/json' }), [406, 'NOT_ACCEPTABLE'])
  await until(() => app.eventStreams.count === 0)
})

t.test('HEAD answers with the headers of a stream, and is none', async (t) => {
  const head = await fetch(STREAM, { method: 'HEAD', headers: { authorization: `Bearer ${ada.token}` } })
  t.equal(head.status, 200)
  t.equal(head.headers.get('content-type'), 'text/event-stream')
  await until(() => app.eventStreams.count === 0)
})

t.test('a user has ten streams, and a place is free when one ends', async (t) => {
  const { token } = await someone()
  const streams = []
  for (let count = 0; count < 10; count += 1) streams.push(await follow(t, '', {}, token))
  const refused = await fetch(STREAM, { headers: { authorization: `Bearer ${token}` } })
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '30')
  await refused.body?.cancel()
  t.equal((await follow(t)).answer.status, 200, 'another user is not concerned')
  t.match((await app.inject('/metrics')).payload, /^event_streams 11$/m)
  streams[0]?.leave()
  await until(() => app.eventStreams.count === 10)
  t.equal((await follow(t, '', {}, token)).answer.status, 200)
})

t.test('a client that left before the handler began takes no place', async (t) => {
  const { authenticator } = app.identity
  const { verify } = authenticator
  t.teardown(() => {
    authenticator.verify = verify
  })
  authenticator.verify = async (credential, ip, request) => {
    const { raw } = request as FastifyRequest
    raw.socket.destroy()
    await until(() => raw.socket.closed)
    return verify.call(authenticator, credential, ip, request)
  }
  const { body: key } = await send('POST', '/api/v1/api-keys', {
    as: ada.token,
    body: { name: 'k', scopes: ['items:read'] }
  })
  const begun = t.capture(app.eventStreams, 'begin', app.eventStreams.begin)
  await t.rejects(fetch(STREAM, { headers: { authorization: `Bearer ${key.key}` } }))
  await until(() => begun().length === 1)
  await until(() => app.eventStreams.count === 0)
})

t.test('a stream ends with its login, while nothing happens', async (t) => {
  const { token } = await someone()
  const { nextPiece } = await follow(t, '', {}, token)
  await nextPiece()
  await send('POST', '/api/v1/auth/logout', { as: token })
  t.equal(await nextPiece(), ': the credential is not valid any more')
  t.equal(await nextPiece(), undefined)
})

t.test('a stream ends with its key, and its rights are those that the role has now', async (t) => {
  const { id, token } = await someone('admin')
  const { body: key } = await send('POST', '/api/v1/api-keys', { as: token, body: { name: 'k', scopes: ['*'] } })
  const ofKey = await follow(t, '', {}, key.key)
  const ofUser = await follow(t, '', {}, token)
  await item('of Ada')
  t.equal(titleOf(await ofUser.next()), 'of Ada', 'an administrator reads what belongs to others')
  t.equal(titleOf(await ofKey.next()), 'of Ada')
  await send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { role: 'member' } })
  await item('of Ada again')
  await item('own', token)
  t.equal(titleOf(await ofUser.next()), 'own', 'a member does not')
  await send('DELETE', `/api/v1/api-keys/${key.id}`, { as: admin.token })
  while (await ofKey.next());
  t.pass()
})

t.test('a stream ends when its caller cannot be looked up, and waits for a database that cannot be read', async (t) => {
  const { authenticator } = app.identity
  const { nextPiece, next } = await follow(t)
  await nextPiece()
  const warned = t.capture(app.log, 'warn')
  const stored = t.capture(app.events, 'stored', async () => {
    app.events.stored = EventLog.prototype.stored
    throw new Error('away')
  })
  await item('after the database is back')
  t.equal(titleOf(await next()), 'after the database is back')
  t.equal(stored().length, 1)
  t.match(warned()[0]?.args, [{ err: { message: 'away' } }, 'streams cannot follow the events'])
  const { verify } = authenticator
  t.teardown(() => {
    authenticator.verify = verify
  })
  const made = await item('looked up')
  t.equal((await next())?.data.data.title, made.title)
  authenticator.verify = () => Promise.reject(new Error('away'))
  await app.db.execute(sql`insert into items (id, owner_id, title) values (gen_random_uuid(), ${ada.id}, 'not given')`)
  app.eventNews.recorded()
  t.equal(await nextPiece(), ': the events cannot be read')
})

t.test('when the server stops, its streams end and say why, whether or not their readers take anything', async (t) => {
  const { next, nextPiece } = await follow(t, '', {}, bob.token)
  const { hostname, port } = new URL(address)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`GET /api/v1/events/stream HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${ada.token}\r\n\r\n`)
  await until(() => app.eventStreams.count === 2)
  await app.db.execute(sql`insert into items (id, owner_id, title, description)
    select gen_random_uuid(), ${ada.id}, 'flood', repeat('x', 30000) from generate_series(1, 500)`)
  await item('of Bob', bob.token)
  t.equal(titleOf(await next()), 'of Bob')
  const place = await app.events.lastPosition()
  await until(async () => (await app.eventStreams.tail.read(place, () => true))?.upTo === place)
  const cut = Promise.race([once(socket, 'close'), once(socket, 'end')])
  const began = performance.now()
  const closed = app.close()
  t.equal(await nextPiece(), ': the server stops')
  t.equal(await nextPiece(), undefined)
  await closed
  const took = performance.now() - began
  t.ok(took > 900 && took < 3000, `${took} ms`)
  socket.resume()
  await cut
})
