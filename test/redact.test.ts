import { Type } from '@sinclair/typebox'
import t from 'tap'
import { redact } from '#src/observe/redact.ts'
import { WriteOnly } from '#src/schema/fields.ts'

const Login = Type.Object({
  email: Type.String(),
  password: WriteOnly(Type.String()),
  devices: Type.Array(Type.Object({ name: Type.String(), pin: WriteOnly(Type.String()) }))
})

t.test('declared fields are shown, without write-only ones', async (t) => {
  const body = { email: 'a@example.com', password: 'canary', devices: [{ name: 'x', pin: 'canary' }] }
  t.same(redact(body, Login), {
    email: 'a@example.com',
    password: '[redacted]',
    devices: [{ name: 'x', pin: '[redacted]' }]
  })
})

t.test('of an undeclared field only its presence is shown', async (t) => {
  t.same(redact({ emial: 'canary', email: { password: 'canary' }, devices: { a: 'canary' } }, Login), {
    emial: '[unknown]',
    email: { password: '[unknown]' },
    devices: { a: '[unknown]' }
  })
  t.same(redact({ email: ['canary'] }, Login), { email: '[unknown]' })
})

t.test('without a schema no value is shown, and null is null', async (t) => {
  t.equal(redact('canary', undefined), '[unknown]')
  t.same(redact({ a: 'canary' }, undefined), { a: '[unknown]' })
  t.equal(redact(null, Login), null)
})
