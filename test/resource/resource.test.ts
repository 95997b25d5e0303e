import { Type } from '@sinclair/typebox'
import { getTableColumns } from 'drizzle-orm'
import { pgTable, text, uuid } from 'drizzle-orm/pg-core'
import t from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { products } from '#routes/api/v1/products/table.ts'
import { resourceColumns } from '#src/db/columns.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import type { Declaration } from '#src/resource/declaration.ts'
import { DeclarationError } from '#src/resource/model.ts'
import { Id, Nullable, Reference, WriteOnly } from '#src/schema/fields.ts'

const notes = pgTable('notes', {
  ...resourceColumns(),
  text: text('text'),
  secret: text('secret'),
  parentId: uuid('parent_id')
})
const Note = Type.Object(
  { id: Id(), text: Type.String(), secret: WriteOnly(Type.String()), parentId: Nullable(Reference()) },
  { $id: 'Note' }
)
const access = { read: 'public', write: 'notes:write', delete: 'notes:delete' } as const
const many = { table: notes, schema: Note, by: 'parentId', many: true } as const
const compile = (more: Partial<Declaration>) =>
  compileResource('notes', { schema: Note, table: notes, access, ...more } as Declaration)

t.test('a declaration that cannot work stops the start and names what is wrong', async (t) => {
  const wrong: [more: object, message: RegExp][] = [
    [{ schema: Type.Object({ id: Id() }) }, /notes: the schema needs an \$id/],
    [
      { schema: Type.Object({ ...Note.properties, colour: Type.String() }, { $id: 'Note' }) },
      /field 'colour' has no column/
    ],
    [{ columns: { text: 'words' } }, /field 'text' has no column 'words'/],
    [{ list: { filter: ['colour'] } }, /list names 'colour', which is not a field/],
    [{ list: { sort: ['secret'] } }, /list names 'secret', which nobody may read/],
    [{ list: { filter: ['secret'] } }, /list names 'secret', which nobody may read/],
    [{ list: { search: ['words'] } }, /'words' is not a column/],
    [{ owner: 'ownerId' }, /'ownerId' is not a column/],
    [
      { include: { parent: { table: notes, schema: Note, by: 'nobodyId' } } },
      /include 'parent' has no column 'nobodyId'/
    ],
    [{ include: { kind: { table: categories, schema: Note, by: 'parentId' } } }, /include 'kind' has no column 'text'/],
    [{ access: { ...access, read: 'notes:read' }, cache: { ttlSeconds: 9 } }, /cache is for what everybody may read/],
    [{ owner: 'parentId', cache: { ttlSeconds: 9 } }, /cache is for what everybody may read/],
    [{ include: { notes: { ...many, sort: 'nothing' } } }, /include 'notes' has no column 'nothing'/],
    [{ include: { notes: { ...many, through: { table: notes, to: 'x' } } } }, /include 'notes' has no column 'x'/],
    [{ include: { notes: { ...many, owner: 'parentId' } } }, /include 'notes' has an owner, and no access/],
    [{ include: { notes: { ...many, owner: 'x', access: 'notes:read' } } }, /include 'notes' has no column 'x'/],
    [{ include: { text: { ...many, access: 'notes:read' } } }, /include 'text' is a field that is always there/],
    [
      { include: { a: { ...many, include: { b: { ...many, include: { c: { ...many, include: { d: many } } } } } } } },
      /notes.a.b.c: include 'd' is deeper than 3 levels/
    ]
  ]
  for (const [more, message] of wrong) {
    t.throws(() => compile(more), { name: 'DeclarationError', message }, String(message))
  }
  t.ok(new DeclarationError('x') instanceof Error)
})

t.test('an answer has no secret, and what is included is optional', async (t) => {
  const resource = compile({ include: { parent: { table: notes, schema: Note, by: 'parentId' } } })
  t.same(Object.keys(resource.answer.properties), ['id', 'text', 'parentId', 'parent'])
  t.same(resource.answer.required, ['id', 'text', 'parentId'])
  t.notOk('secret' in resource.selection)
})

t.test('an include with the name of a field is that field, and always there', async (t) => {
  const parent = Nullable(Type.Object(Note.properties, { $id: 'NoteInNote' }))
  const schema = Type.Object({ ...Note.properties, parent }, { $id: 'Note' })
  const { answer, includes } = compile({ schema, include: { parent: { table: notes, schema: Note, by: 'parentId' } } })
  t.equal(includes.get('parent')?.isAlways, true)
  t.ok(answer.required?.includes('parent'))
})

t.test('an object of the wire may have its parts in columns of other names, or of the same', async (t) => {
  const Place = Type.Object({ text: Type.String(), mother: Type.String() })
  const resource = compile({
    schema: Type.Object({ id: Id(), place: Place }, { $id: 'Placed' }),
    columns: { place: { mother: 'parentId' } }
  })
  t.same([...resource.fields.keys()], ['id', 'place.text', 'place.mother'])
  t.equal(resource.fields.get('place.mother')?.column, getTableColumns(notes).parentId)
})

t.test('a violated constraint is told by the field of the caller', async (t) => {
  const Thing = Type.Object({ id: Id(), code: Type.String(), cost: Type.Integer() }, { $id: 'Thing' })
  const { faults, noun } = compileResource('things', {
    schema: Thing,
    table: products,
    access,
    columns: { code: 'sku', cost: 'priceCents' }
  } as Declaration)
  t.equal(noun, 'a thing')
  t.match(faults.get('products_sku_unique'), { in: 'body', path: '/code', code: 'unique' })
  t.notOk(faults.has('products_category_id_categories_id_fk'), 'a column that the wire does not have')
})
