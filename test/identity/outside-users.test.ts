import t from 'tap'
import { OutsideUsers } from '#src/identity/external/users.ts'
import { startApp } from '#test/support/app.ts'

t.test('a subject of an outside issuer is one user, for every process and at once', async (t) => {
  const { app } = await startApp(t)
  const [one, other] = [new OutsideUsers(app.db), new OutsideUsers(app.db)]
  const find = (users: OutsideUsers, subject: string) => users.find('https://issuer.example', subject, 'member')
  const id = await find(one, 'ada')
  t.equal(await find(other, 'ada'), id)
  one.forget()
  t.equal(await find(one, 'ada'), id)
  t.not(await find(one, 'bob'), id)
})
