import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import { jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import t from 'tap'
import { timestamp } from '#src/db/columns.ts'
import { compileRowReader } from '#src/resource/compile/row-reader.ts'
import { typeOf } from '#src/resource/types/types.ts'
import { Nullable, Timestamp } from '#src/schema/fields.ts'

const table = pgTable('things', { name: text(), at: timestamp('at'), facts: jsonb(), x: text(), y: text() })

const read = compileRowReader([
  { path: ['name'], schema: Type.String(), source: table.name, type: typeOf(table.name) },
  { path: ['at'], schema: Nullable(Timestamp()), source: table.at, type: typeOf(table.at) },
  { path: ['facts'], schema: Type.Object({}), source: table.facts },
  { path: ['place', 'x'], schema: Type.Integer(), source: table.x },
  { path: ['place', 'y'], schema: Type.Integer(), source: table.y },
  { path: ['count'], schema: Type.Integer(), source: sql`count(*)` }
])

t.test('a row becomes what is sent, whichever driver it comes from', async (t) => {
  const expected = {
    name: 'a "b"\u0001',
    at: '2026-01-31T09:30:00.125Z',
    facts: { a: [1] },
    place: { x: 1, y: 2 },
    count: 9_007_199_254_740_991
  }
  const at = '2026-01-31 09:30:00.125+00'
  t.strictSame(read(['a "b"\u0001', at, '{"a":[1]}', 1, 2, '9007199254740991']), expected)
  t.strictSame(read(['a "b"\u0001', at, { a: [1] }, 1, 2, 9_007_199_254_740_991]), expected)
})

t.test('null stays null, and trailing zeros of a moment come back', async (t) => {
  t.strictSame(read(['', null, null, 0, null, 0]), {
    name: '',
    at: null,
    facts: null,
    place: { x: 0, y: null },
    count: 0
  })
  t.equal(read(['', '2026-01-31 09:30:00+00', null, 0, 0, 0]).at, '2026-01-31T09:30:00.000Z')
  t.equal(read(['', '2026-01-31 09:30:00.5+00', null, 0, 0, 0]).at, '2026-01-31T09:30:00.500Z')
})
