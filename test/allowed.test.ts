import t from 'tap'
import { Allowed } from '#src/http/allowed-methods.ts'

const allowed = new Allowed()
allowed.add(['GET', 'HEAD'], '/products/:id')
allowed.add(['DELETE'], '/products/:id')
allowed.add(['POST'], '/products')
allowed.add(['OPTIONS'], '*')

t.test('names the methods of a path, sorted, whichever of them is a GET', async (t) => {
  t.same(allowed.find('/products/7'), ['DELETE', 'GET', 'HEAD'])
  t.same(allowed.find('/products?limit=1'), ['POST'])
})

t.test('an unknown path has no methods, though preflights are accepted everywhere', async (t) => {
  for (const url of ['/', '/nothing', '/%zz', '/Products', '/products/7/more']) t.same(allowed.find(url), [])
})
