import { Type } from '@sinclair/typebox'
import t from 'tap'
import { CURRENCIES } from '#src/schema/currencies.ts'
import {
  bare,
  Currency,
  Default,
  Id,
  isNullable,
  Nullable,
  ReadOnly,
  Reference,
  Timestamp,
  WriteOnly
} from '#src/schema/fields.ts'
import { compileValidator } from '#src/schema/validate.ts'

const takes = (schema: object, value: unknown) => compileValidator(schema as never, 'body')(value) === true
const Letters = Type.Union([Type.Literal('a'), Type.Literal('b')])

t.test('an id is read-only by nature; a reference to another is not', async (t) => {
  t.equal(Id().readOnly, true)
  t.notOk('readOnly' in Reference())
  t.match(Timestamp(), { type: 'string', format: 'date-time' })
  t.equal(takes(Currency(), 'EUR'), true)
  t.equal(takes(Currency(), 'eur'), false)
})

t.test('marks do not change the given schema', async (t) => {
  const schema = Type.Integer()
  t.equal(ReadOnly(schema).readOnly, true)
  t.equal(WriteOnly(schema).writeOnly, true)
  t.equal(Default(schema, 3).default, 3)
  t.same({ ...schema }, { ...Type.Integer() })
})

t.test('a nullable field takes null and its other values, and 0 stays 0', async (t) => {
  const listed = Type.Unsafe<string>({ type: 'string', enum: ['a', 'b'] })
  for (const [schema, value] of [
    [Type.Integer(), 0],
    [listed, 'a'],
    [Letters, 'b']
  ] as const) {
    const nullable = Nullable(schema)
    t.equal(isNullable(schema), false)
    t.equal(isNullable(nullable), true)
    t.equal(takes(schema, null), false)
    t.equal(takes(nullable, null), true)
    const body = { value }
    t.equal(takes(Type.Object({ value: nullable }), body), true)
    t.same(body, { value })
    t.equal(takes(nullable, 'other'), false)
  }
})

t.test('a bare schema has no null and no marks', async (t) => {
  const listed = Type.Unsafe<string>({ type: 'string', enum: ['a', 'b'] })
  t.same(bare(Nullable(Default(ReadOnly(Type.Integer({ minimum: 1 })), 3))), Type.Integer({ minimum: 1 }))
  t.same(bare(WriteOnly(Nullable(listed))), listed)
  t.equal(takes(bare(Nullable(Letters)), null), false)
  t.equal(takes(bare(Nullable(Letters)), 'a'), true)
  t.same(bare(Letters), Letters)
  const either = Type.Union([...Letters.anyOf, Type.Null()])
  t.same(bare(either).anyOf, Letters.anyOf)
})

t.test('a currency is an ISO 4217 code in use with minor units', (t) => {
  const known = new Set(Intl.supportedValuesOf('currency'))
  // Newer than Node's list, or units of account that it leaves out.
  const others = ['BOV', 'CHE', 'CHW', 'CLF', 'COU', 'MXV', 'USN', 'UYI', 'UYW', 'VED', 'XAD', 'XCG']
  t.same(
    [...CURRENCIES].filter((code) => !known.has(code) && !others.includes(code)),
    []
  )
  const check = compileValidator(Type.Object({ currency: Currency() }) as never, 'body')
  for (const currency of CURRENCIES) t.equal(check({ currency }), true, currency)
  for (const currency of ['ZZZ', 'usd', 'US', 'USDX', 'DEM', 'HRK', 'XXX', 'XTS', 'XAU', ''])
    t.match(check({ currency }), { error: { faults: [{ path: '/currency' }] } }, currency)
  t.end()
})
