import t from 'tap'
import { isOutdated } from '#src/identity/passwords/passwords.ts'
import { type AuthRecords, type Grant, judge } from '#src/identity/requests/grant.ts'
import { mergePatch } from '#src/resource/rules.ts'

const facts = {
  user: { id: 'ada', role: 'member', active: true },
  role: { name: 'member', scopes: new Set(['items:read']) },
  session: { userId: 'ada', isRevoked: false }
} as unknown as AuthRecords

t.test("a login is its own user's, and a grant ends at its expiry", async (t) => {
  const grant = (more: object) => ({ userId: 'ada', sessionId: 's', ...more }) as unknown as Grant
  t.match(judge(grant({}), facts, undefined), { userId: 'ada' })
  t.equal(judge(grant({ expiresAt: 1 }), facts, undefined), undefined)
  const another = { ...facts, session: { ...facts.session, userId: 'bob' } } as AuthRecords
  t.equal(judge(grant({}), another, undefined), undefined)
})

t.test('a hash in an unknown format is replaced at the next login', async (t) => {
  t.equal(isOutdated('sha1:abc'), true)
  t.equal(isOutdated('$argon2id$v=19$m=19456,t=1,p=1$c2FsdA$aGFzaA'), true)
  t.equal(isOutdated('$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'), false)
})

t.test('a patch with an object replaces a value that is no object', async (t) => {
  t.same(mergePatch({ a: 1, b: 5 }, { a: { c: 2 } }), { a: { c: 2 }, b: 5 })
})
