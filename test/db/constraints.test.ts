import { sql } from 'drizzle-orm'
import { check, foreignKey, integer, pgTable, text, unique } from 'drizzle-orm/pg-core'
import t from 'tap'
import { constraintsOf } from '#src/db/constraints.ts'

const shelves = pgTable('shelves', { houseId: integer('house_id'), shelfId: integer('shelf_id') })
const rooms = pgTable('rooms', { id: integer('id').primaryKey() })
const houses = pgTable('houses', { houseName: text('house_name').primaryKey() })
const books = pgTable(
  'books',
  {
    isbnCode: text('isbn_code').unique(),
    title: text('title'),
    houseId: integer('house_id'),
    shelfId: integer('shelf_id'),
    ownerId: integer('owner_id').references(() => shelves.shelfId)
  },
  (table) => [
    check('books_title_short', sql`length(${table.title}) < 9`),
    unique('books_place_unique').on(table.houseId, table.shelfId),
    foreignKey({
      name: 'books_place_fk',
      columns: [table.houseId, table.shelfId],
      foreignColumns: [shelves.houseId, shelves.shelfId]
    })
  ]
)

t.test('every constraint is found by its name in the database, with the columns as the code calls them', async (t) => {
  t.same(Object.fromEntries(constraintsOf(books)), {
    books_isbn_code_unique: { kind: 'unique', columns: ['isbnCode'] },
    books_place_unique: { kind: 'unique', columns: ['houseId', 'shelfId'] },
    books_owner_id_shelves_shelf_id_fk: {
      kind: 'reference',
      columns: ['ownerId'],
      target: { table: shelves, columns: [shelves.shelfId] }
    },
    books_place_fk: {
      kind: 'reference',
      columns: ['houseId', 'shelfId'],
      target: { table: shelves, columns: [shelves.houseId, shelves.shelfId] }
    },
    books_title_short: { kind: 'check', columns: [] }
  })
  t.equal(constraintsOf(shelves).size, 0)
  t.same(Object.fromEntries(constraintsOf(houses)), { houses_pkey: { kind: 'unique', columns: ['houseName'] } })
  t.equal(constraintsOf(rooms).size, 0, 'an id is made by the server')
})
