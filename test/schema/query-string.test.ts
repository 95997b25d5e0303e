import t from 'tap'
import { parseQuery, splitList } from '#src/schema/query-string.ts'

t.test('a parameter is repeated with brackets, as axios and Stripe send it, or without', async (t) => {
  for (const [text, values] of [
    ['a[]=1&a[]=2', ['1', '2']],
    ['a%5B%5D=1&a%5b%5d=2', ['1', '2']],
    ['a[]=1,2', ['1,2']],
    ['a=1&a[]=2', ['1', '2']],
    ['a[]=1%2C2&a[]=3', ['1,2', '3']],
    ['a=1&a=2', ['1', '2']]
  ] as const) {
    const query = parseQuery(text)
    t.same(Object.keys(query), ['a'], text)
    t.same(splitList(query, 'a'), values, text)
  }
  t.same(splitList(parseQuery('tags[has][]=a&tags[has][]=b'), 'tags[has]'), ['a', 'b'])
  t.same({ ...parseQuery('price[gte]=1&__proto__[]=2') }, { 'price[gte]': '1', ['__proto__']: ['2'] })
})
