import t from 'tap'
import { PASSWORD, startApp } from '#test/support/app.ts'

const { send, someone } = await startApp(t)
const [admin, ada] = [await someone('admin'), await someone()]
const login = (email: string, password: string) => send('POST', '/api/v1/auth/login', { body: { email, password } })

t.test('a user made by an administrator can log in; no answer has a password in it', async (t) => {
  const body = { email: 'New.Person@Example.com', password: 'a new password 7', name: 'New' }
  const created = await send('POST', '/api/v1/users', { as: admin.token, body })
  t.match(created, { status: 201, body: { email: 'new.person@example.com', role: 'member', active: true } })
  t.notMatch(created.text, /password|argon/i)
  t.match(await login('NEW.person@example.com', body.password), {
    status: 200,
    headers: { 'cache-control': 'no-store' },
    body: { tokenType: 'Bearer', expiresIn: 600, scope: /items:read/ }
  })
  t.notMatch((await send('GET', '/api/v1/users', { as: admin.token })).text, /password|argon/i)
})

t.test('a password is changed by a patch, and kept by a replacement without one', async (t) => {
  const { body } = await send('POST', '/api/v1/users', {
    as: admin.token,
    body: { email: 'two@example.com', password: 'the first password', name: 'Two' }
  })
  const path = `/api/v1/users/${body.id}`
  await send('PATCH', path, { as: admin.token, body: { password: 'the second password' } })
  t.equal((await login('two@example.com', 'the first password')).status, 401)
  t.equal((await login('two@example.com', 'the second password')).status, 200)
  await send('PUT', path, { as: admin.token, body: { email: 'two@example.com', name: 'Too' } })
  t.equal((await login('two@example.com', 'the second password')).status, 200)
})

t.test('an e-mail that is taken is 409 and names the field', async (t) => {
  const body = { email: ada.email.toUpperCase(), password: 'a new password 7', name: 'Twin' }
  const refused = await send('POST', '/api/v1/users', { as: admin.token, body })
  t.match(refused, {
    status: 409,
    body: { error: { code: 'CONFLICT' }, details: [{ path: '/email', code: 'unique' }] }
  })
  t.notMatch(refused.text, new RegExp(ada.email))
})

t.test('a role that does not exist is refused', async (t) => {
  const refused = await send('PATCH', `/api/v1/users/${ada.id}`, { as: admin.token, body: { role: 'emperor' } })
  t.match(refused, { status: 409, body: { error: { code: 'REFERENCE_CONFLICT' }, details: [{ path: '/role' }] } })
})

t.test('an unknown user, a wrong password and a disabled user get the same answer', async (t) => {
  const gone = await someone()
  await send('PATCH', `/api/v1/users/${gone.id}`, { as: admin.token, body: { active: false } })
  const answers = [
    await login('nobody@example.com', PASSWORD),
    await login(ada.email, 'not the password'),
    await login(gone.email, PASSWORD)
  ]
  for (const { status, headers, body } of answers) {
    t.match(headers, { 'www-authenticate': /^Bearer/ })
    t.same({ status, ...body, instance: '' }, { status: 401, ...answers[0]?.body, instance: '' })
  }
})

t.test("me is the caller's own user, and only its name can be changed", async (t) => {
  t.match(await send('GET', '/api/v1/users/me', { as: ada.token }), {
    status: 200,
    body: { id: ada.id },
    headers: { etag: '"1"' }
  })
  t.match(await send('PATCH', '/api/v1/users/me', { as: ada.token, body: { name: 'Ada' } }), {
    body: { name: 'Ada', role: 'member' }
  })
  t.equal((await send('PATCH', '/api/v1/users/me', { as: ada.token, body: { role: 'admin' } })).status, 422)
  t.equal(
    (await send('PATCH', '/api/v1/users/me', { as: ada.token, body: { name: 'X' }, headers: { 'if-match': '"1"' } }))
      .status,
    412
  )
  t.equal((await send('GET', '/api/v1/users/me')).status, 401)
})

t.test('a member is refused, and the missing scope is named', async (t) => {
  t.match(await send('GET', '/api/v1/users', { as: ada.token }), {
    status: 403,
    headers: { 'www-authenticate': /error="insufficient_scope", scope="users:read"/ },
    body: { error: { code: 'FORBIDDEN', details: { scope: 'users:read' } } }
  })
  for (const authorization of ['Bearer nonsense', 'Bearer', 'Basic YTpi', 'Bearer a.b.c', '']) {
    t.match(await send('GET', '/api/v1/products', { headers: { authorization } }), {
      status: 401,
      headers: { 'www-authenticate': /^Bearer/ }
    })
  }
})
