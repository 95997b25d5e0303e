import t from 'tap'
import { ExternalUsers } from '#src/identity/external/users.ts'
import { startApp } from '#test/support/app.ts'

t.test('a subject of an outside issuer is one user, for every process and at once', async (t) => {
  const { app } = await startApp(t)
  const [one, other] = [new ExternalUsers(app.db), new ExternalUsers(app.db)]
  const find = (users: ExternalUsers, subject: string) => users.find('https://issuer.example', subject, 'member')
  const id = await find(one, 'ada')
  t.equal(await find(other, 'ada'), id)
  one.forget()
  t.equal(await find(one, 'ada'), id)
  t.not(await find(one, 'bob'), id)
})
