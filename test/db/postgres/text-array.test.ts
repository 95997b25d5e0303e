import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { textArray } from '#src/db/postgres/text-array.ts'

t.test('reads what PostgreSQL writes', async (t) => {
  t.same(textArray.parse('{}'), [])
  t.same(textArray.parse('{a,b c}'), ['a', 'b c'])
  t.same(textArray.parse('{a,NULL,NULLS}'), ['a', null, 'NULLS'])
  t.same(textArray.parse('{a,"b,c","",NULL,"NULL","say \\"hi\\"","\\\\","{}","two\nlines"}'), [
    'a',
    'b,c',
    '',
    null,
    'NULL',
    'say "hi"',
    '\\',
    '{}',
    'two\nlines'
  ])
})

t.test('any text comes back from its quoted form', async (t) => {
  const quoted = (texts: string[]) => `{${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`
  const survives = fc.property(fc.array(fc.string()), (texts) =>
    isDeepStrictEqual(textArray.parse(quoted(texts)), texts)
  )
  t.doesNotThrow(() => fc.assert(survives))
  t.equal(textArray.serialize('{a}'), '{a}')
})
