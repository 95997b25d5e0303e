import t from 'tap'
import { ConfigError, loadConfig } from '#src/config.ts'
import { hashPassword, verifyPassword } from '#src/identity/passwords/passwords.ts'
import { passwordFault } from '#src/identity/passwords/policy.ts'

t.test('a password matches its hash however its letters are composed', async (t) => {
  const hash = await hashPassword('pa\u00dfwort \u00e9')
  t.match(hash, /^\$argon2id\$/)
  t.equal(await verifyPassword('pa\u00dfwort e\u0301', hash), true)
  t.equal(await verifyPassword('pa\u00dfwort e', hash), false)
})

t.test('no password works for an unknown user, not even the one of the stand-in hash', async (t) => {
  t.equal(await verifyPassword('the password of nobody', undefined), false)
})

t.test('a password is checked in the form that is hashed, by its visible characters', async (t) => {
  const email = 'Grace.Hopper@example.com'
  const judged: [string, string | undefined][] = [
    ['password123', 'common'],
    ['PassWord123', 'common'],
    ['ｐａｓｓｗｏｒｄ１２３', 'common'],
    ['  password123\t ', 'common'],
    ['pass\u200bword\u00ad123', 'common'],
    ['p a s s w o r d 1 2 3', 'common'],
    ['short   ', 'minLength'],
    ['        ', 'minLength'],
    ['\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b', 'minLength'],
    ['grace.hopper@example.com', 'email'],
    ['GRACE.HOPPER', 'email'],
    [' ｇrace.hopper ', 'email'],
    ['grace hopper of arlington', undefined],
    ['correct horse battery staple', undefined],
    ['été à la plage', undefined]
  ]
  for (const [password, code] of judged) t.equal(passwordFault(password, email)?.code, code, password)
  t.equal(passwordFault('grace.hopper@example.com'), undefined, 'whose it is must be known')
})

t.test('the list has the first 3,000 common passwords that fit the policy, and many more', async (t) => {
  const { readFileSync } = await import('node:fs')
  const list = new URL('../../src/identity/passwords/common-passwords.txt', import.meta.url)
  const words = readFileSync(list, 'utf8').trim().split(/\s+/)
  t.ok(new Set(words).size === words.length && words.length >= 10_000)
  t.same(
    words.filter((word) => [...word].length < 8 || passwordFault(word)?.code !== 'common'),
    [],
    'each is one that is refused for nothing else'
  )
})

t.test('the administrator of the configuration is no exception', async (t) => {
  for (const ADMIN_PASSWORD of ['password123', 'ｐａｓｓｗｏｒｄ１２３', 'root@example.com', 'abc      ']) {
    t.throws(() => loadConfig({ ADMIN_PASSWORD, ADMIN_EMAIL: 'root@example.com' }), ConfigError, ADMIN_PASSWORD)
  }
})
