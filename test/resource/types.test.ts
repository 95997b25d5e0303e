import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import t from 'tap'
import { parseArray } from '#src/db/array-text.ts'
import { toRfc3339 } from '#src/db/moments.ts'
import type { ApiError } from '#src/errors.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { compileRowReader } from '#src/resource/compile/row-reader.ts'
import { mergeJsonFields } from '#src/resource/json-fields.ts'
import type { Field } from '#src/resource/model.ts'
import { decodeCursor, encodeCursor } from '#src/resource/query/cursor.ts'
import { toIsoDuration } from '#src/resource/types/iso-duration.ts'
import { exactDecimal } from '#src/resource/types/numbers.ts'
import { typeOf } from '#src/resource/types/types.ts'
import { Nullable, ReadOnly } from '#src/schema/fields.ts'
import { declare, kinds } from '#test/support/kinds.ts'
import { testKinds } from '#test/support/type-matrix.ts'
import { typesPage } from '#test/support/types-page.ts'

// One of each way that a type is read and written; `npm run test:long` has the whole matrix.
const QUICK = ['char', 'bigtext', 'double', 'timestamp', 'enum', 'anything', 'bytea', 'moments']
await testKinds(
  t,
  kinds.filter(({ key }) => QUICK.includes(key)),
  false
)

t.test('an operation that a type does not support stops the start, and is named', async (t) => {
  for (const kind of kinds) {
    const { type } = compileResource('kinds', declare(kind)).fields.get('value') as Field
    if (!type.isOrdered)
      t.throws(
        () => compileResource('kinds', declare(kind, { sort: ['value'] } as never)),
        /kinds: list.sort names 'value'.*leave it out/
      )
    if (type.operators.length === 0)
      t.throws(
        () => compileResource('kinds', declare(kind, { filter: ['value'] } as never)),
        /kinds: list.filter names 'value'/
      )
  }
})

t.test('a schema that does not fit its column, or lets callers write a generated one, stops the start', async (t) => {
  const start = (column: object, schema: object) =>
    compileResource('kinds', declare({ ...(kinds[0] as (typeof kinds)[0]), column: () => column, schema } as never))
  t.throws(
    () => start(pg.integer(), Type.String()),
    /field 'value' is string, and its column integer: declare it as integer/
  )
  t.throws(
    () => start(pg.text(), Type.Union([Type.Literal(1), Type.Literal(2)])),
    /field 'value' is number, and its column text/
  )
  t.throws(() => start(pg.boolean(), Type.Literal(0.5)), /field 'value' is number/)
  t.throws(
    () => start(pg.date().array(), Type.String()),
    /field 'value' is string, and its column date\[\]: declare it as array/
  )
  t.doesNotThrow(() => start(pg.integer(), ReadOnly(Type.Enum({ one: 1 }))))
  t.doesNotThrow(() => start(pg.integer(), Type.Unsafe({ enum: [1, 2] })))
  t.throws(() => start(pg.boolean(), Type.Unsafe({ enum: [0.5] })), /field 'value' is number/)
  t.throws(() => start(pg.boolean(), Type.Unsafe({ const: 'yes' })), /field 'value' is string/)
  const identity = pg.bigint({ mode: 'number' }).generatedAlwaysAsIdentity()
  t.throws(
    () => start(identity, Type.Integer()),
    /field 'value' has a column that the database generates: declare it as ReadOnly/
  )
  t.throws(
    () => compileResource('kinds', { ...declare(kinds[0] as never), access: { read: 'public' } } as never),
    /kinds: access.write is missing/
  )
  t.throws(
    () => compileResource('kinds', declare(kinds.find(({ key }) => key === 'date') as never, { search: ['value'] })),
    /list.search names 'value', which is no text/
  )
})

t.test('texts of PostgreSQL become what is sent', async (t) => {
  for (const [text, iso] of [
    ['00:00:00', 'PT0S'],
    ['1 year 2 mons -3 days +04:05:06.789', 'P1Y2M-3DT4H5M6.789S'],
    ['-00:00:05', 'PT-5S'],
    ['-1 years -2 mons +3 days', 'P-1Y-2M3D'],
    ['infinity', 'infinity']
  ] as const)
    t.equal(toIsoDuration(text), iso)
  for (const [text, moment] of [
    ['2026-01-31 09:30:00', '2026-01-31T09:30:00.000Z'],
    ['2026-01-31 09:30:00.123456+00', '2026-01-31T09:30:00.123456Z'],
    ['infinity', 'infinity'],
    ['0044-03-15 00:00:00+00 BC', '0044-03-15T00:00:00.000Z BC'],
    ['10000-01-01 00:00:00.5', '10000-01-01T00:00:00.500Z']
  ] as const)
    t.equal(toRfc3339(text), moment)
  t.strictSame(['0.0000001', '-12.50', '1234567890123.4567', 'NaN'].map(exactDecimal), [
    1e-7,
    -12.5,
    '1234567890123.4567',
    'NaN'
  ])
  t.strictSame(
    parseArray('[0:1]={{1,NULL},{"a,b","}"}}', (one) => one),
    [
      ['1', null],
      ['a,b', '}']
    ]
  )
})

t.test('each type reads its text, as an element of an array is read', async (t) => {
  const read = (key: string, text: unknown) => {
    const kind = kinds.find((one) => one.key === key) as (typeof kinds)[0]
    const field = compileResource('kinds', declare(kind)).fields.get('value') as Field
    return field.type.reader(field.schema)(text)
  }
  for (const [key, text, value] of [
    ['text', 'a', 'a'],
    ['integer', '9007199254740993', '9007199254740993'],
    ['real', '1e-07', 1e-7],
    ['boolean', 't', true],
    ['boolean', 'f', false],
    ['interval', '1 day', 'P1D'],
    ['moment', '2026-01-31 09:30:00+00', '2026-01-31T09:30:00.000Z'],
    ['bytea', '\\x000102', 'AAEC'],
    ['time', '09:30:00', '09:30:00'],
    [
      'grid',
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4]
      ]
    ]
  ] as const)
    t.strictSame(read(key, text), value, key)
})

t.test('digits that a column does not store are cut, also in arrays', async (t) => {
  const { whole, list, documents } = pg.pgTable('cut', {
    whole: pg.timestamp({ precision: 0, withTimezone: true }),
    list: pg.time({ precision: 2 }).array(),
    documents: pg.jsonb().array()
  })
  t.equal(typeOf(whole).store?.(whole, [], {} as never)?.('2026-01-31T23:59:59.9Z'), '2026-01-31T23:59:59Z')
  t.strictSame(typeOf(list).store?.(list, [], Type.Array(Type.String()))?.(['09:30:00.129', null]), [
    '09:30:00.12',
    null
  ])
  t.strictSame(typeOf(documents).operators, [])
  const readComputed = compileRowReader([{ path: ['label'], schema: Type.String(), source: sql`'a'` }])
  t.strictSame(readComputed(['a']), { label: 'a' })
})

t.test('a place among numbers that JSON does not have is one, too', async (t) => {
  const key = createSecretKey(randomBytes(32))
  const place = { direction: 'next', values: [Number.NaN, Number.POSITIVE_INFINITY, 1] } as const
  const { values } = decodeCursor(encodeCursor({ ...place, values: [...place.values] }, 'a', key), 'a', key)
  t.strictSame(values, ['NaN', 'Infinity', 1])
})

t.test('docs/types.md says what the types do: `npm run docs:types` writes it', async (t) => {
  t.equal(readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8'), typesPage())
})

t.test('a patch of a JSON field keeps what it does not name, deletes what is null, and checks the whole', async (t) => {
  const [object] = kinds.filter(({ key }) => key === 'object') as [(typeof kinds)[number]]
  const schema = Type.Object(
    {
      zip: Type.String(),
      by: Type.Optional(Nullable(Type.String())),
      seat: Type.Optional(Type.Object({ row: Type.Integer() })),
      more: Type.Optional(Type.Unknown())
    },
    { additionalProperties: false, 'x-any-shape': 'One member may be anything.' }
  )
  const resource = compileResource('kinds', declare({ ...object, schema } as never))
  const merge = (stored: unknown, value: unknown) =>
    mergeJsonFields(resource, { value: stored }, { value, maybe: null }, {}) as { body: object; error: ApiError }
  for (const [stored, value, whole] of [
    [{ zip: '1', more: 5 }, { more: null }, { zip: '1' }],
    [{ zip: '1' }, { by: null }, { zip: '1', by: null }],
    [{ zip: '1' }, { seat: { row: 1 } }, { zip: '1', seat: { row: 1 } }],
    [{ zip: '1', more: { a: 1, b: [1] } }, { more: { b: [2] } }, { zip: '1', more: { a: 1, b: [2] } }],
    [null, { zip: '2' }, { zip: '2' }]
  ])
    t.same(merge(stored, value).body, { value: whole, maybe: null }, JSON.stringify(value))
  t.match(merge({ zip: '1' }, { zip: null }).error, { faults: [{ path: '/value/zip', code: 'required' }] })
})
