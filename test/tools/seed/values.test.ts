import t from 'tap'
import type { Json, Schema } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'
import { Random } from '#src/tools/seed/random.ts'
import { type SeededField, valueMaker } from '#src/tools/seed/values.ts'

const ROWS = 400

function make(schema: Schema, field: Partial<SeededField> = {}, seed = 'a'): Json[] {
  const maker = valueMaker({ resource: 'things', name: 'value', isUnique: false, mark: 'abc', ...field, schema })
  const random = new Random(seed)
  return Array.from({ length: ROWS }, (_, row) => maker(random, row))
}

const text = (more: Schema = {}): Schema => ({ type: 'string', ...more })

t.test('values fit their schema, and are the same for the same seed', async (t) => {
  const schemas = new Schemas({})
  const cases: [name: string, schema: Schema][] = [
    ['email', text({ format: 'email' })],
    ['uuid', text({ format: 'uuid' })],
    ['at', text({ format: 'date-time' })],
    ['day', text({ format: 'date' })],
    ['time', text({ format: 'time' })],
    ['link', text({ format: 'uri' })],
    ['currency', text({ pattern: '^[A-Z]{3}$', format: 'iso-4217' })],
    ['sku', text({ maxLength: 5 })],
    ['description', text({ minLength: 80, maxLength: 90 })],
    ['code', text({ pattern: '^[A-Z]{2}-\\d{3}$' })],
    ['priceCents', { type: 'integer', minimum: 10, maximum: 20 }],
    ['stock', { type: 'integer', exclusiveMinimum: 5, exclusiveMaximum: 8 }],
    ['price', { type: 'number', minimum: 0.5, multipleOf: 0.05 }],
    ['ratio', { type: 'number', maximum: 1, minimum: 0 }],
    ['far', { type: 'integer', minimum: 5_000_000 }],
    ['below', { type: 'integer', maximum: -5, minimum: -10 }],
    ['kind', { enum: ['a', 'b'] }],
    ['always', { const: 7 }],
    ['isOpen', { type: 'boolean' }],
    ['tags', { type: 'array', items: text({ maxLength: 50 }), minItems: 1, maxItems: 2 }],
    ['pairs', { type: 'array', items: { type: 'object', properties: { a: { type: 'integer' } } } }],
    ['open', { type: 'array' }],
    ['data', { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }],
    ['either', { anyOf: [text({ maxLength: 3 }), { type: 'integer' }] }]
  ]
  for (const [name, schema] of cases) {
    const values = make(schema, { name })
    t.same(
      values.filter((value) => !schemas.fits(schema, value)),
      [],
      name
    )
    t.same(make(schema, { name }), values, `${name}: the same seed`)
    if (name !== 'always')
      t.not(JSON.stringify(make(schema, { name }, 'b')), JSON.stringify(values), `${name}: another`)
  }
})

t.test('unique values differ in every row, and fit', async (t) => {
  const schemas = new Schemas({})
  const cases: [name: string, schema: Schema][] = [
    ['email', text({ format: 'email' })],
    ['username', text()],
    ['name', text({ maxLength: 9 })],
    ['tiny', text({ maxLength: 7 })],
    ['sku', text({ maxLength: 64 })],
    ['link', text({ format: 'url' })],
    ['id', text({ format: 'uuid' })],
    ['day', text({ format: 'date' })],
    ['code', text({ pattern: '^[A-Z]{4}$' })],
    ['number', { type: 'integer', minimum: 1000 }],
    ['pair', { type: 'array', items: { type: 'integer' }, minItems: 4 }]
  ]
  for (const [name, schema] of cases) {
    const values = make(schema, { name, isUnique: true })
    t.equal(new Set(values.map((value) => JSON.stringify(value))).size, ROWS, name)
    t.ok(
      values.every((value) => schemas.fits(schema, value)),
      name
    )
  }
  t.match(make(text({ format: 'email' }), { isUnique: true, mark: 'k7' })[40], /^[a-z]+\.[a-z]+\.k70014@example\.com$/)
  t.match(make(text(), { name: 'sku', isUnique: true })[0], /^[A-Z]+-[A-Z]+-\d\d-abc0000$/)
  t.match(make(text(), { name: 'name', isUnique: true })[0], /^[A-Z][a-z]+ [a-z]+ abc0000$/)
})

t.test('texts are plausible by the name of the field', async (t) => {
  const first = (name: string, resource = 'things') => make(text(), { name, resource })[0]
  t.match(first('name', 'users'), /^[A-Z][a-z]+ [A-Z][a-z]+$/)
  t.match(first('name', 'products'), /^[A-Z][a-z]+ [a-z]+$/)
  t.match(first('firstName'), /^[A-Z][a-z]+$/)
  t.match(first('last_name'), /^[A-Z][a-z]+$/)
  t.match(first('email'), /^[a-z]+\.[a-z]+@example\.com$/)
  t.match(first('title'), /^[A-Z][a-z]+ the [a-z]+ in the [a-z]+$/)
  t.match(first('description'), /^A .*\.$/)
  t.match(first('phone'), /^\+1 555 01\d\d$/)
  t.match(first('country'), /^[A-Z]{2}$/)
  t.match(first('city'), /^[A-Z][a-z]+$/)
  t.match(first('postalCode'), /^\d{5}$/)
  t.match(first('street'), /^\d+ [A-Z][a-z]+ Street$/)
  t.match(first('website'), /^https:\/\/example\.com\/[a-z]+-[a-z]+$/)
  t.match(first('company'), / & /)
  t.match(first('colour'), /^[a-z]+$/)
  t.match(first('contact'), /^[A-Z][a-z]+ [A-Z][a-z]+$/)
  t.match(first('slug'), /^[a-z]+-[a-z]+$/)
  t.match(first('tags'), /^[a-z]+$/)
  const cents = make({ type: 'integer', minimum: 0, maximum: 100_000_000 }, { name: 'priceCents' }) as number[]
  t.ok(Math.max(...cents) <= 50_000 && Math.min(...cents) >= 0)
})

t.test('what may be null seldom is, and a default is usual', async (t) => {
  const share = (values: Json[], of: Json) => values.filter((one) => one === of).length / ROWS
  for (const schema of [
    { type: ['string', 'null'] },
    { type: ['string', 'null'], enum: ['a', null] },
    { anyOf: [{ type: 'string' }, { type: 'null' }] },
    { type: ['string', 'integer', 'null'] },
    { type: ['boolean', 'null'], default: null }
  ] as Schema[]) {
    const nulls = share(make(schema), null)
    t.ok(nulls > 0.03 && nulls < 0.2, JSON.stringify(schema))
  }
  t.equal(share(make({ type: ['string', 'null'] }, { isUnique: true }), null), 0)
  t.ok(share(make({ type: 'boolean', default: true }), true) > 0.8)
  t.ok(share(make(text({ default: 'USD', pattern: '^[A-Z]{3}$', format: 'iso-4217' })), 'USD') > 0.7)
  t.ok(share(make({ type: 'integer', default: 0 }), 0) < 0.2)
})

t.test('what its column cannot hold is not made', async (t) => {
  const values = make(text({ examples: ['12.5'] }), { name: 'weight', accepts: (value) => /^\d/.test(String(value)) })
  t.ok(values.every((value) => /^\d/.test(String(value))))
  t.throws(() => make(text(), { accepts: () => false }), {
    name: 'SeedError',
    message: 'no value can be made for value of things: give its schema an example'
  })
})

t.test('a field that can have too few values is named', async (t) => {
  t.throws(() => make({ enum: ['a', 'b'] }, { isUnique: true }), {
    name: 'SeedError',
    message: 'value of things has no more than 2 different values'
  })
  t.throws(() => make(text({ pattern: '^(?!x)x$' })), { name: 'SeedError' })
})
