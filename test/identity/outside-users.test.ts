import { hash } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { ExternalUsers } from '#src/identity/external/users.ts'
import { users } from '#src/identity/tables/users.ts'
import { startApp } from '#test/support/app.ts'

t.test('a subject of an external issuer is one user, in every process and when two see it at once', async (t) => {
  const { app } = await startApp(t)
  const [one, other] = [new ExternalUsers(app.db), new ExternalUsers(app.db)]
  const find = (users: ExternalUsers, subject: string) => users.find('https://issuer.example', subject, 'member')
  const id = await find(one, 'ada')
  t.equal(await find(other, 'ada'), id)
  one.forget()
  t.equal(await find(one, 'ada'), id)
  t.not(await find(one, 'bob'), id)
  // Two processes see the first token at once.
  const [here, there] = await Promise.all([find(one, 'eve'), find(other, 'eve')])
  t.equal(here, there)
})

t.test('the address of a stand-in user can neither be taken before it is made nor given to a user', async (t) => {
  const { app, send, someone } = await startApp(t, { REGISTRATION: 'open' })
  const { token: as } = await someone('admin')
  const old = `${hash('sha256', 'https://issuer.example ada').slice(0, 32)}@external.invalid`
  const password = 'a long enough one'
  const reserved = [old, 'x@EXTERNAL.invalid', 'x@sub.external.invalid']
  const refused = { status: 422, body: { details: [{ path: '/email', code: 'reserved' }] } }
  for (const email of reserved) {
    t.match(await send('POST', '/api/v1/auth/register', { body: { email, password } }), refused, email)
    t.match(await send('POST', '/api/v1/users', { as, body: { email, password, name: 'x' } }), refused, email)
  }
  const bulk = { items: [{ email: old, password, name: 'x' }] }
  t.equal((await send('POST', '/api/v1/users/bulk', { as, body: bulk })).status, 422)
  const someoneElse = await someone()
  t.match(await send('PATCH', `/api/v1/users/${someoneElse.id}`, { as, body: { email: old } }), refused)
  // An older user with such an address does no harm.
  await app.db.update(users).set({ email: old }).where(eq(users.id, someoneElse.id))
  const find = () => new ExternalUsers(app.db).find('https://issuer.example', 'ada', 'member')
  t.not(await find(), someoneElse.id)
  t.equal(await find(), await find())
})
