import { type TObject, Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import t from 'tap'
import { planSeeding } from '#src/cli/seed/plan.ts'
import { makeRows, type RowOptions } from '#src/cli/seed/rows.ts'
import { resourceColumns } from '#src/db/columns.ts'
import { openDatabase } from '#src/db/open.ts'
import { selectRaw } from '#src/db/rows.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { Default, Id, Name, Nullable, ReadOnly, Reference, WriteOnly } from '#src/schema/fields.ts'
import { createDatabase } from '#test/support/database.ts'
import { ddlOf, declare, kinds } from '#test/support/kinds.ts'

const shelves = pg.pgTable('shelves', { ...resourceColumns(), code: pg.text('code').notNull().unique() })
const access = { read: 'public', write: 'a:write', delete: 'a:delete' } as const

const compile = (table: unknown, properties: TObject['properties'], more: Partial<Declaration> = {}) =>
  compileResource('things', {
    schema: Type.Object({ id: Id(), ...properties }, { $id: 'Thing' }),
    table: table as never,
    access,
    ...more
  })

async function make(resource: ReturnType<typeof compile>, options: Partial<RowOptions> = {}) {
  const references = options.references ?? new Map()
  const { columns, chunks } = await makeRows(resource, { seed: '1', count: 50, offset: 0, ...options, references })
  const lines = [...chunks(() => {})].join('').trimEnd().split('\n')
  return lines.map((line) => Object.fromEntries(line.split('\t').map((cell, index) => [columns[index], cell])))
}

t.test('a row of every type of column is taken by its table', async (t) => {
  const { DATABASE_URL, DATA_DIR } = await createDatabase(t)
  const { db, bulkLoad, close } = await openDatabase({ url: DATABASE_URL, dataDir: DATA_DIR, poolMax: 1 })
  t.teardown(close)
  await db.execute(sql`create type kind_size as enum ('small', 'medium', 'large')`)
  const unknown: string[] = []
  for (const kind of kinds) {
    await db.execute(ddlOf(kind))
    const resource = compileResource('kinds', declare(kind))
    try {
      const rows = await makeRows(resource, { seed: '1', count: 40, offset: 0, references: new Map() })
      await bulkLoad(({ copy }) =>
        copy(
          `kind_${kind.key}`,
          rows.columns,
          rows.chunks(() => {})
        )
      )
      const made = await selectRaw(db, sql`select * from ${sql.identifier(`kind_${kind.key}`)}`)
      t.equal(made.length, 40, kind.key)
    } catch (error) {
      unknown.push(kind.key)
      t.match((error as Error).message, /^(invalid input syntax|malformed)/)
    }
  }
  // Their schemas permit texts that their columns refuse, and so would the API.
  t.same(unknown, ['interval', 'inet', 'cidr', 'grid', 'range'])
})

t.test('fields inside objects, defaults of the table, and what it makes itself', async (t) => {
  const table = pg.pgTable('things', {
    ...resourceColumns(),
    amount: pg.integer('amount').notNull(),
    currency: pg.text('currency').notNull(),
    note: pg.text('note'),
    state: pg.text('state').notNull().default('new'),
    token: pg
      .text('token')
      .notNull()
      .$defaultFn(() => 'made'),
    upper: pg.text('upper').generatedAlwaysAs(sql`upper(currency)`)
  })
  const Price = Type.Object({ amount: Type.Integer({ minimum: 3, maximum: 9 }), currency: Type.String() })
  const [row] = await make(
    compile(table, { price: Price, state: ReadOnly(Type.String()) }, { columns: { price: { amount: 'amount' } } })
  )
  t.match(row, { amount: /^[3-9]$/, token: 'made', created_at: /^2025-01-0/ })
  t.same(Object.keys(row ?? {}), ['id', 'created_at', 'updated_at', 'token', 'amount', 'currency'])
})

t.test('ids are UUIDs of the moment, and the same for the same seed', async (t) => {
  const resource = compile(shelves, { code: Name() })
  const rows = await make(resource)
  t.match(rows[0]?.id, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  t.same(
    rows.map(({ id }) => id).sort(),
    rows.map(({ id }) => id)
  )
  t.same(await make(resource), rows)
  t.not((await make(resource, { seed: '2' }))[0]?.id, rows[0]?.id)
  const more = await make(resource, { offset: 50 })
  t.equal(new Set([...rows, ...more].map(({ code }) => code)).size, 100, 'a second run adds others')
})

t.test('a secret is random, and converted once where that takes time', async (t) => {
  const table = pg.pgTable('things', {
    ...resourceColumns(),
    hash: pg.text('hash').notNull(),
    pin: pg.text('pin'),
    label: pg.text('label')
  })
  let calls = 0
  const hash = async (value: string) => {
    calls += 1
    return `#${value}`
  }
  const resource = compile(
    table,
    { password: WriteOnly(Type.String()), pin: Nullable(WriteOnly(Type.String())), label: Nullable(Type.String()) },
    {
      columns: { password: 'hash' },
      transform: { password: hash as never, label: ((value: string) => value.toUpperCase()) as never }
    }
  )
  const rows = await make(resource)
  t.equal(calls, 1)
  t.match(rows[0], { hash: /^#\S{20}$/, pin: /^\S{20}$/ })
  t.not((await make(resource))[0]?.hash, rows[0]?.hash)
  t.ok(rows.every(({ label }) => label === '\\N' || label === label?.toUpperCase()))
})

t.test('references: existing rows, null where it may be, and each combination once', async (t) => {
  const table = pg.pgTable(
    'things',
    {
      ...resourceColumns(),
      shelfId: pg
        .uuid('shelf_id')
        .notNull()
        .references(() => shelves.id),
      otherId: pg
        .uuid('other_id')
        .notNull()
        .references(() => shelves.id),
      maybeId: pg.uuid('maybe_id').references(() => shelves.id),
      kind: pg
        .text('kind')
        .notNull()
        .references(() => shelves.code)
    },
    (columns) => [pg.unique().on(columns.shelfId, columns.otherId)]
  )
  const resource = compile(table, {
    shelfId: Reference(),
    otherId: ReadOnly(Reference()),
    maybeId: Nullable(Reference()),
    kind: Default(Name(), 'usual')
  })
  const list = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)
  const references = new Map([
    ['shelfId', list('s', 10)],
    ['otherId', list('o', 5)],
    ['maybeId', list('m', 3)],
    ['kind', ['rare', 'usual']]
  ])
  const rows = await make(resource, { references })
  t.equal(new Set(rows.map((row) => `${row.shelf_id} ${row.other_id}`)).size, 50)
  t.same([...new Set(rows.map(({ kind }) => kind))], ['usual'])
  t.ok(rows.some((row) => row.maybe_id === '\\N') && rows.some((row) => row.maybe_id === 'm1'))
  await t.rejects(make(resource, { references, offset: 1 }), {
    name: 'MisuseError',
    message: 'things can have no more than 50 rows: their references are unique together'
  })
  references.set('maybeId', [])
  t.ok((await make(resource, { references })).every((row) => row.maybe_id === '\\N'))
  references.set('shelfId', [])
  await t.rejects(make(resource, { references }), {
    name: 'MisuseError',
    message: 'things need rows that shelf_id refers to, and there are none'
  })
})

t.test('one of several fields that are unique together is new in each row', async (t) => {
  const table = pg.pgTable(
    'things',
    {
      ...resourceColumns(),
      shelfId: pg.uuid('shelf_id').references(() => shelves.id),
      place: pg.integer('place').notNull()
    },
    (columns) => [pg.unique().on(columns.shelfId, columns.place)]
  )
  const resource = compile(table, { shelfId: Nullable(Reference()), place: Type.Integer({ minimum: 1 }) })
  const rows = await make(resource, { references: new Map([['shelfId', ['s']]]) })
  t.equal(new Set(rows.map(({ place }) => place)).size, 50)
})

t.test('rows keep the rules between fields, and what cannot be made is named', async (t) => {
  const table = pg.pgTable('things', {
    ...resourceColumns(),
    least: pg.integer('least').notNull(),
    most: pg.integer('most').notNull(),
    price: pg.integer('price').notNull()
  })
  const Small = Type.Integer({ minimum: 0, maximum: 9 })
  const properties = { least: Small, most: Small, deal: Type.Object({ price: Small }) }
  const columns = { deal: { price: 'price' } }
  const rule = (check: (body: never) => boolean) => ({ path: '/most', code: 'order', message: 'is too small', check })
  const inOrder = rule(({ least, most, deal }: { least: number; most: number; deal: { price: number } }) =>
    Boolean(least <= most && deal.price <= 9)
  )
  const rows = await make(compile(table, properties, { columns, rules: [inOrder] }))
  t.ok(rows.every(({ least, most }) => Number(least) <= Number(most)))
  await t.rejects(make(compile(table, properties, { columns, rules: [rule(() => false)] })), {
    name: 'SeedError',
    message: 'no row of things was found that its rules permit'
  })
  await t.rejects(make(compile(table, { least: Small, most: Small })), {
    name: 'MisuseError',
    message: 'things cannot be seeded: no field of theirs says what is in things.price'
  })
})

t.test('a field that its column cannot hold, and a reference to what is made by rules, are found', async (t) => {
  const narrow = pg.pgTable('things', { ...resourceColumns(), level: pg.smallint('level').notNull() })
  await t.rejects(make(compile(narrow, { level: Type.Integer({ minimum: 40_000 }) })), {
    name: 'SeedError',
    message: /^no value can be made for level of things/
  })
  const ruled = compile(shelves, { code: Name() }, { operations: { create: false } })
  const table = pg.pgTable('things', {
    ...resourceColumns(),
    shelfId: pg.uuid('shelf_id').references(() => shelves.id)
  })
  const things = compile(table, { shelfId: Nullable(Reference()) })
  const resources = new Map([
    ['shelves', ruled],
    ['things', things]
  ])
  t.same(
    planSeeding(resources, { things: 3 }, () => true),
    [{ resource: things, count: 3 }]
  )
})

t.test('many rows come in several chunks, and tell how far they are', async (t) => {
  const seen: number[] = []
  const { chunks } = await makeRows(compile(shelves, { code: Name() }), {
    seed: '1',
    count: 3000,
    offset: 0,
    references: new Map()
  })
  const all = [...chunks((made) => seen.push(made))]
  t.ok(all.length > 2)
  t.equal(seen.length, all.length - 1)
  t.equal(all.join('').trimEnd().split('\n').length, 3000)
})
