import t from 'tap'
import { hashPassword, verifyPassword } from '#src/identity/passwords/passwords.ts'

t.test('a password is known by its hash alone, however its letters are composed', async (t) => {
  const hash = await hashPassword('pa\u00dfwort \u00e9')
  t.match(hash, /^\$argon2id\$/)
  t.equal(await verifyPassword('pa\u00dfwort e\u0301', hash), true)
  t.equal(await verifyPassword('pa\u00dfwort e', hash), false)
})

t.test('nobody has no password, not even the one that is hashed in their place', async (t) => {
  t.equal(await verifyPassword('the password of nobody', undefined), false)
})
