import t from 'tap'
import { canSeeAllRows } from '#src/identity/principal.ts'
import { allows } from '#src/identity/scopes.ts'

t.test('a scope is granted directly, by its whole resource, or by *', async (t) => {
  for (const one of ['items:read', 'items:*', '*']) t.equal(allows(new Set([one]), 'items:read'), true)
  for (const one of ['items:write', 'products:*', 'item:*', '']) t.equal(allows(new Set([one]), 'items:read'), false)
  t.equal(allows(new Set(), 'items:read'), false)
})

t.test('only a principal with all scopes of a resource sees rows of other users', async (t) => {
  const principal = (scope: string) => ({ userId: 'u', role: 'member', scopes: new Set([scope]) })
  t.equal(canSeeAllRows(principal('items:read'), 'items'), false)
  t.equal(canSeeAllRows(principal('items:*'), 'items'), true)
  t.equal(canSeeAllRows(principal('*'), 'items'), true)
})
