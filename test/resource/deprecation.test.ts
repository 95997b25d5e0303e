import t from 'tap'
import { announce } from '#src/http/deprecation.ts'
import { startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'

const { app, send, someone } = await startApp(t, {}, fixtures)
const admin = await someone('admin')

t.test('every answer of a deprecated resource says since when, until when, and what comes after', async (t) => {
  const announced = { deprecation: '@1769817600', sunset: 'Sun, 31 Jan 2027 12:00:00 GMT' }
  const successor = '</api/v2/old>; rel="successor-version"'
  for (const name of ['one', 'two']) {
    const answer = await send('POST', '/api/v1/old', { as: admin.token, body: { name } })
    t.match(answer, { status: 201, headers: { ...announced, link: successor } })
    for (const method of ['GET', 'HEAD']) {
      t.match(
        (await send(method, answer.headers.location as string)).headers,
        { ...announced, link: successor },
        method
      )
    }
  }
  t.match(await send('POST', '/api/v1/old', { body: {} }), { status: 401, headers: announced }, 'refusals too')
  const list = await send('GET', '/api/v1/old?limit=1')
  t.match(list.headers.link, /^<.*>; rel="next", <\/api\/v2\/old>; rel="successor-version"$/, 'beside its own links')
})

t.test('a deprecated operation announces only itself', async (t) => {
  const created = await send('POST', '/api/v1/partly', { as: admin.token, body: { name: 'part' } })
  t.notOk(created.headers.deprecation)
  const removed = await send('DELETE', created.headers.location as string, { as: admin.token })
  t.match(removed, { status: 204, headers: { deprecation: '@1769817600' } })
  t.notOk(removed.headers.sunset)
  t.notOk(removed.headers.link)
})

t.test('the document says what is deprecated', async (t) => {
  const { paths } = app.swagger() as unknown as { paths: Record<string, Record<string, { deprecated?: boolean }>> }
  const marked = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { deprecated }]) => (deprecated ? [`${method} ${path}`] : []))
  )
  t.same(
    marked.filter((one) => !one.includes('/old')),
    ['delete /api/v1/partly/{id}']
  )
  const old = Object.entries(paths).filter(([path]) => path.startsWith('/api/v1/old'))
  t.equal(marked.length, old.flatMap(([, methods]) => Object.keys(methods)).length + 1, 'all of it, and that one')
})

t.test('an invalid date stops the start', async (t) => {
  t.throws(() => announce({ since: 'soon' }), /'soon' is not a date/)
})
