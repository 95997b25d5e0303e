import t from 'tap'
import { SwapRemoveList } from '#src/concurrency/swap-remove-list.ts'

t.test('items leave in any order, and each knows its place', async (t) => {
  const list = new SwapRemoveList<{ name: string; place: number }>()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name, place: -1 })) as [never, never, never]
  for (const one of [a, b, c]) list.add(one)
  list.remove(a)
  t.same(list.items, [
    { name: 'c', place: 0 },
    { name: 'b', place: 1 }
  ])
  list.remove(a)
  t.equal(list.items.length, 2, 'a second time does nothing')
  list.remove(b)
  list.remove(c)
  t.same([list.items, a], [[], { name: 'a', place: -1 }])
})
