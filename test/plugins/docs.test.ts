import t from 'tap'
import { catalogue } from '#src/errors.ts'
import { startApp } from '#test/support/app.ts'

const { send } = await startApp(t)

t.test('the reference page allows its own script and nothing from elsewhere', async (t) => {
  const { status, headers, text } = await send('GET', '/docs/')
  t.equal(status, 200)
  t.match(headers['content-type'], /^text\/html/)
  t.match(headers['content-security-policy'], /default-src 'none'; script-src 'self'/)
  t.match(text, /openapi\.json/)
  t.notMatch(text, /src="https?:/)
})

t.test('every error code has its place in the catalogue page', async (t) => {
  const { status, text } = await send('GET', '/docs/errors')
  t.equal(status, 200)
  for (const [code, [, title]] of Object.entries(catalogue)) {
    t.ok(text.includes(`id="${code.toLowerCase()}"`) && text.includes(title), code)
  }
})

t.test('the document is served, the same each time', async (t) => {
  const first = await send('GET', '/openapi.json')
  t.match(first, { status: 200, body: { openapi: '3.1.0', info: { title: 'Tenon' } } })
  t.equal((await send('GET', '/openapi.json')).text, first.text)
})
