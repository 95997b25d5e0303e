import t from 'tap'
import { Bounded } from '#src/concurrency/bounded.ts'

t.test('keeps made values, and never more than its bound', async (t) => {
  const bounded = new Bounded<string>(3)
  let made = 0
  const get = (key: string) =>
    bounded.get(key, () => {
      made += 1
      return key.toUpperCase()
    })
  for (const key of ['a', 'b', 'a', 'c', 'b']) t.equal(get(key), key.toUpperCase())
  t.equal(made, 3)
  get('d')
  get('a')
  t.equal(made, 5, 'a fourth key starts anew')
})
