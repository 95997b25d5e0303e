import { type TSchema, Type } from '@sinclair/typebox'
import t from 'tap'
import { Default, Id, Nullable, ReadOnly, WriteOnly } from '#src/schema/fields.ts'
import { compileValidator } from '#src/schema/validate.ts'
import { jsonPatch, variants, variantsOf } from '#src/schema/variants.ts'

const Price = Type.Object(
  { amount: Type.Integer(), currency: Default(Type.String(), 'USD') },
  { additionalProperties: false }
)
const Thing = Type.Object(
  {
    id: Id(),
    name: Type.String(),
    note: Nullable(Type.String()),
    stock: Default(Type.Integer(), 0),
    price: Price,
    password: WriteOnly(Type.String()),
    status: ReadOnly(Type.String())
  },
  { $id: 'Thing', title: 'Thing' }
)
const { Response, Sparse, Create, Update, Replace } = variantsOf(Thing)
const full = { name: 'a', price: { amount: 1 }, password: 'p' }

function refusedFields(schema: TSchema, body: unknown): string[] {
  const result = compileValidator(schema as unknown as Record<string, unknown>, 'body')(body)
  return result === true ? [] : result.error.faults.map(({ path, code }) => `${path} ${code}`)
}

t.test('an answer has every field but the write-only ones', async (t) => {
  t.same(Object.keys(Response.properties), ['id', 'name', 'note', 'stock', 'price', 'status'])
  t.same(Response.required, ['id', 'name', 'note', 'stock', 'price', 'status'])
  t.same(Object.keys(Sparse.properties), Object.keys(Response.properties))
  t.notOk(Sparse.required)
})

t.test('a create takes the fields that clients write; defaults and nullables may be left out', async (t) => {
  const body = { ...full, price: { ...full.price, currency: 'EUR' } }
  t.same(refusedFields(Create, body), [])
  t.same(body, { ...full, price: { amount: 1, currency: 'EUR' }, note: null, stock: 0 } as never)
  const without = { ...full, price: { amount: 1 } }
  t.same(refusedFields(Create, without), [])
  t.same(
    without,
    { ...full, price: { amount: 1, currency: 'USD' }, note: null, stock: 0 } as never,
    'inside an object, too'
  )
  t.same((Create.properties.price as TSchema).required, ['amount'])
  t.same(refusedFields(Create, { ...body, id: 'x', status: 'y' }), ['/id unknown', '/status unknown'])
  t.same(refusedFields(Create, {}), ['/name required', '/price required', '/password required'])
})

t.test('an update takes any part and fills in no default, inside an object too (RFC 7396)', async (t) => {
  const body = { price: { amount: 3 } }
  t.same(refusedFields(Update, body), [])
  t.same(body, { price: { amount: 3 } })
  t.same(refusedFields(Update, {}), [])
  t.same(refusedFields(Update, { id: 'x', price: { other: 1 }, name: null }), [
    '/id unknown',
    '/name type',
    '/price/other unknown'
  ])
})

t.test('a replace is whole, except for fields that no answer shows', async (t) => {
  const { password, ...shown } = { ...full, price: { amount: 1, currency: 'USD' } }
  t.same(refusedFields(Replace, shown), [])
  t.same(refusedFields(Replace, { password }), ['/name required', '/price required'])
})

t.test('each variant has its name, and is made once', async (t) => {
  t.same(
    [Response, Sparse, Create, Update, Replace].map((schema) => schema.$id),
    ['Thing', 'ThingSparse', 'ThingCreate', 'ThingUpdate', 'ThingReplace']
  )
  t.equal(variantsOf(Thing), variantsOf(Thing))
  const named = variants('Thing', Thing)
  t.same(Object.keys(named), ['ThingCreate', 'ThingUpdate', 'ThingReplace'])
  t.equal(named.ThingCreate, Create)
})

t.test('a schema without a name has variants without one', async (t) => {
  const { Create } = variantsOf(Type.Object({ a: Type.String() }))
  t.notOk('$id' in Create)
  t.equal(Create.additionalProperties, false)
})

t.test('a field that only the server writes is refused and not required inside a list', async (t) => {
  const Order = Type.Object({
    lines: Type.Array(Type.Object({ quantity: Type.Integer(), price: ReadOnly(Type.Integer()) }))
  })
  const { Create } = variantsOf(Order)
  t.same(refusedFields(Create, { lines: [{ quantity: 1 }] }), [])
  t.same(refusedFields(Create, { lines: [{ quantity: 1, price: 2 }] }), ['/lines/0/price unknown'])
})

t.test('a patch of a JSON value takes any of its members, and null for each', async (t) => {
  const Note = Type.Object({
    text: Type.String(),
    by: Nullable(Type.String()),
    seen: Type.Object({ at: Type.String() })
  })
  const patch = jsonPatch(Note)
  for (const body of [{}, { text: null }, { by: null }, { seen: null }, { seen: { at: null } }])
    t.same(refusedFields(patch, body), [], JSON.stringify(body))
  t.same(refusedFields(patch, { text: 1, by: 2 }), ['/text type', '/by type'])
})
