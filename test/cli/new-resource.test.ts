import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fieldIn } from '#src/cli/new-resource/fields.ts'
import { newResource, newResourceCommand, singularOf } from '#src/cli/new-resource.ts'
import { tryCommand } from '#test/support/command.ts'

/** A project with tools that only note that they ran: the real ones run in test/long. */
function project(t: Test, { types = '' } = {}): string {
  const root = t.testdir({
    routes: { api: { v1: { products: { 'table.ts': "export const products = pgTable(\n  'products'," } } } },
    src: { identity: { tables: { 'users.ts': "export const users = pgTable('users'," } } },
    migrations: { '0000_first.sql': '' },
    node_modules: { '.bin': {} }
  })
  const tools = {
    biome: '',
    'drizzle-kit': 'touch migrations/0001_$3.sql',
    tsc: types === '' ? '' : `echo '${types}'; exit 2`
  }
  for (const [tool, script] of Object.entries(tools)) {
    writeFileSync(join(root, 'node_modules/.bin', tool), `#!/bin/sh\n${script}\n`)
    chmodSync(join(root, 'node_modules/.bin', tool), 0o755)
  }
  return root
}

function outputOf() {
  const said: string[] = []
  const add = (line: string) => void said.push(line)
  return { said, output: { say: add, complain: add, progress: () => {} } }
}

const ALL = [
  'number:string:unique',
  'notes:text:?',
  'count:integer=3',
  'views:bigint',
  'weight:number=0.5',
  'price:decimal(10,2)=1.50',
  'share:decimal(2,2)',
  'units:decimal(5,0)',
  'active:boolean=true',
  'dueAt:timestamp',
  'day:date:?',
  'code:uuid:unique',
  'extra:json:?',
  'status:enum(draft,sent)=draft',
  "label:string=it's",
  'tags:string[]=[]',
  'moments:timestamp[]',
  'productId:ref:products',
  'customerId:ref:users:?'
]

t.test('writes a folder with every type, its migration and its test, and says what comes next', async (t) => {
  const root = project(t)
  const { said, output } = outputOf()
  const asked = { name: 'line-items', fields: ALL.map(fieldIn), singular: undefined }
  t.equal(await newResource(root, asked, { output }), true)
  t.match(said[0], /migrations\/0001_line-items\.sql/)
  t.match(said[1], /npm start .*\/api\/v1\/line-items/)
  const folder = join(root, 'routes/api/v1/line-items')
  t.same(readdirSync(folder).sort(), ['index.ts', 'line-items.test.ts', 'schema.ts', 'table.ts'])
  const [schema, table, index] = ['schema.ts', 'table.ts', 'index.ts'].map((file) =>
    readFileSync(join(folder, file), 'utf8')
  )
  for (const line of [
    'export const LineItem = Type.Object(',
    'notes: Nullable(Type.String({ maxLength: 5000',
    'count: Default(Type.Integer({ minimum: -2147483648, maximum: 2147483647, examples: [100] }), 3)',
    "price: Default(Type.String({ pattern: '^-?\\\\d{1,8}(\\\\.\\\\d{1,2})?$', examples: ['1.50'] }), '1.50')",
    "share: Type.String({ pattern: '^-?0(\\\\.\\\\d{1,2})?$', examples: ['0.50'] })",
    "units: Type.String({ pattern: '^-?\\\\d{1,5}$', examples: ['1'] })",
    "status: Default(Type.Union([Type.Literal('draft'), Type.Literal('sent')]), 'draft')",
    "label: Default(Name({ maxLength: 200, examples: ['A label'] }), 'it\\'s')",
    "tags: Default(Type.Array(Name({ maxLength: 200, examples: ['A tags'] }), { maxItems: 100 }), [])",
    'customerId: Nullable(Reference())'
  ])
    t.ok(schema?.includes(line), line)
  for (const line of [
    "import { users } from '#src/identity/tables/users.ts'",
    "import { products } from '../products/table.ts'",
    "'line_items'",
    "dueAt: timestamp('due_at').notNull()",
    "views: bigint('views', { mode: 'number' }).notNull()",
    "price: numeric('price', { precision: 10, scale: 2 }).notNull()",
    "tags: text('tags').array().notNull()",
    "customerId: uuid('customer_id').references(() => users.id)",
    "number: text('number').notNull().unique()",
    "index('line_items_tags_idx').using('gin', table.tags)",
    "index('line_items_due_at_idx').on(table.dueAt, table.id)"
  ])
    t.ok(table?.includes(line), line)
  t.notMatch(table, 'line_items_number_idx')
  t.match(index, /access: \{ read: 'line-items:read'/)
  t.notMatch(index, /sort: .*tags/)
  t.notMatch(index, /filter: .*(notes|extra)/)
})

t.test('says when the types are wrong', async (t) => {
  const { said, output } = outputOf()
  const asked = { name: 'people', fields: [fieldIn('name:string')], singular: 'Person' }
  t.equal(await newResource(project(t, { types: 'schema.ts: wrong' }), asked, { output }), false)
  t.match(said.join('\n'), /the types are wrong:\nschema.ts: wrong/)
})

t.test('what exists or is wrong is refused, and nothing is written', async (t) => {
  const root = project(t)
  const refused: [string, string[], RegExp, string?][] = [
    ['products', ['a:string'], /routes\/api\/v1\/products exists already/],
    ['users', ['a:string'], /there is a table users already, in src\/identity\/tables\/users\.ts/],
    ['Orders', ['a:string'], /'Orders': a name is like orders, or line-items/],
    ['../a', ['a:string'], /a name is like/],
    ['a', ['a:string', 'a:text'], /there are two fields a/],
    ['a', ['b:ref:nothing'], /ref:nothing: there is no table of this name/],
    ['a', ['b:string'], /--singular is like Person, not 'no name'/, 'no name']
  ]
  for (const [name, fields, message, singular] of refused) {
    const asked = { name, fields: fields.map(fieldIn), singular }
    await t.rejects(newResource(root, asked, outputOf()), { name: 'MisuseError', message }, name)
  }
  const nowhere = { name: 'a', fields: [], singular: undefined }
  await t.rejects(newResource(join(root, 'migrations'), nowhere, outputOf()), /is no project of Tenon/)
  t.same(readdirSync(join(root, 'routes/api/v1')), ['products'])
  t.notOk(existsSync(join(root, 'migrations/0001_a.sql')))
})

t.test('a field that is wrong is refused with the reason', async (t) => {
  const wrong: [string, RegExp][] = [
    ['total', /a field is name:type/],
    ['total:', /a field is name:type/],
    ['Total:integer', /in camelCase/],
    ['a b:integer', /in camelCase/],
    ['id:uuid', /every resource has id already/],
    ['a:money', /there is no type 'money': there is string, .*decimal\(p,s\), enum\(a,b\), ref:<resource>/],
    ['a:ref', /there is no type 'ref'/],
    ['a:ref:B', /there is no type 'ref:B'/],
    ['a:decimal(2,3)', /there is no type/],
    ['a:decimal', /there is no type/],
    ['a:enum()', /there is no type/],
    ['a:enum(a', /there is no type ''/],
    ['a:enum(a,a)', /there is no type/],
    ["a:enum(a')", /there is no type/],
    ['a:string:indexed', /not ':indexed'/],
    ['a:json[]', /there are no lists of json/],
    ['a:string[]:unique', /cannot be unique/],
    ['a:string:?=b', /a default or may be null/],
    ['a:string:unique=b', /a unique field has no default/],
    ['a:integer=x', /'x' is no integer/],
    ['a:bigint=9007199254740993', /is no bigint/],
    ['a:number=', /'' is no number/],
    ['a:boolean=yes', /is no boolean/],
    ['a:decimal(3,1)=1.23', /is no decimal/],
    ['a:enum(a,b)=c', /'c' is none of a, b/],
    ['a:date=2026-01-01', /has no default here/],
    ['a:string[]=[a]', /the default of a list is \[\]/]
  ]
  for (const [text, message] of wrong) {
    t.throws(() => fieldIn(text), { name: 'MisuseError', message }, text)
    await t.rejects(tryCommand(newResourceCommand, ['things', text]), { name: 'MisuseError', message })
  }
  t.match((await tryCommand(newResourceCommand, ['--help'])).said, /Types: string/)
})

t.test('one of many', (t) => {
  const names = {
    invoices: 'Invoice',
    categories: 'Category',
    'line-items': 'LineItem',
    boxes: 'Box',
    statuses: 'Status'
  }
  for (const [many, one] of Object.entries(names)) t.equal(singularOf(many), one)
  t.end()
})
