import { index, pgTable, text } from 'drizzle-orm/pg-core'
import { resourceColumns, searchIndex } from '#src/db/columns.ts'

export const categories = pgTable(
  'categories',
  {
    ...resourceColumns(),
    name: text('name').notNull().unique(),
    description: text('description')
  },
  (table) => [
    index('categories_created_at_idx').on(table.createdAt, table.id),
    searchIndex('categories_search_idx', table.name, table.description)
  ]
)
