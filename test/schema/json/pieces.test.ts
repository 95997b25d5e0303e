import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '#src/schema/canonical-json.ts'
import { canonicalPieces } from '#src/schema/json/pieces.ts'

t.test('the pieces together are the canonical text', async (t) => {
  const same = (value: unknown) => [...canonicalPieces(value)].join('') === canonicalJson(value)
  t.doesNotThrow(() => fc.assert(fc.property(fc.jsonValue({ maxDepth: 3 }), same)))
  for (const value of [{ items: [], a: {}, '1': 2, B: 1 }, {}, [], [[]], { a: [1, [2]], b: null }, 'x', 1])
    t.ok(same(value))
  t.same([...canonicalPieces(undefined)], [''])
})

t.test('no piece is much longer than one element', async (t) => {
  const pieces = [...canonicalPieces({ items: Array(1_000).fill('x'.repeat(1_000)) })]
  t.ok(pieces.length > 10)
  t.ok(pieces.every((piece) => piece.length < 70_000))
})
