import t from 'tap'
import { ResponseCache } from '#src/resource/cache/response-cache.ts'

let now = 0
const TTL = 60_000

function answers({ heard = true, bounds }: { heard?: boolean; bounds?: { max: number; maxSize: number } } = {}) {
  const kept = new ResponseCache(() => now, bounds)
  kept.follow('products', ['products', 'categories'])
  kept.follow('categories', ['categories'])
  if (heard) kept.trustUntil(() => now)
  const keep = (key: string, tables = ['products'], body = key) =>
    kept.keep(key, tables, { body, headers: { etag: '"1"' }, readAt: now, stamp: kept.stamp(tables) })
  const has = (key: string, tables = ['products']) => kept.find(key, tables, TTL) !== undefined
  return { kept, keep, has }
}

t.test('an answer is given until its time is over', async (t) => {
  const { kept, keep, has } = answers()
  t.equal(has('a'), false)
  keep('a')
  t.match(kept.find('a', ['products'], TTL), { body: 'a', headers: { etag: '"1"' }, ageMs: 0 })
  now += TTL - 1
  t.match(kept.find('a', ['products'], TTL), { ageMs: TTL - 1 })
  now += 1
  t.equal(has('a'), false)
})

t.test('a write of a table forgets what was read from it, and nothing else', async (t) => {
  const { kept, keep, has } = answers()
  t.same(
    [...kept.tables],
    [
      ['products', 'products'],
      ['categories', 'products']
    ]
  )
  keep('products')
  keep('both', ['products', 'categories'])
  keep('categories', ['categories'])
  kept.written('users')
  t.ok(has('products') && has('both', ['products', 'categories']) && has('categories', ['categories']))
  kept.written('categories')
  t.same(
    [has('products'), has('both', ['products', 'categories']), has('categories', ['categories'])],
    [true, false, false]
  )
  kept.written(undefined)
  t.equal(has('products'), false, 'any may have been written')
})

t.test('an answer that is being read during a write is not cached', async (t) => {
  const { kept, has } = answers()
  const [readAt, stamp] = [kept.now(), kept.stamp(['products'])]
  kept.written('products')
  kept.keep('a', ['products'], { body: 'old', headers: {}, readAt, stamp })
  t.equal(has('a'), false)
  t.equal(kept.size, 0)
})

t.test('while notifications are not proven to arrive, an answer is cached for less than a second', async (t) => {
  const { kept, keep, has } = answers({ heard: false })
  keep('a')
  now += 799
  t.ok(has('a'))
  now += 1
  t.notOk(has('a'))
  let receivedUntil = now
  kept.trustUntil(() => receivedUntil)
  t.ok(has('a'), 'it was not written until just now')
  now += 800
  t.notOk(has('a'), 'and nobody can say so any more')
  receivedUntil = now
  t.ok(has('a'))
})

t.test('their number is bounded, and so is their size: the least used goes first', async (t) => {
  const { kept, keep, has } = answers({ bounds: { max: 3, maxSize: 4000 } })
  for (const key of ['a', 'b', 'c']) keep(key)
  t.ok(has('a'))
  keep('d')
  t.same(
    ['a', 'b', 'c', 'd'].map((key) => has(key)),
    [true, false, true, true]
  )
  keep('long', ['products'], 'x'.repeat(1700))
  t.same([has('long'), kept.size], [true, 1])
  keep('too long', ['products'], 'x'.repeat(2000))
  t.notOk(has('too long'))
})
