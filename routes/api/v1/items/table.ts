import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { resourceColumns, searchIndex } from '#src/db/columns.ts'
import { users } from '#src/identity/tables/users.ts'

export const items = pgTable(
  'items',
  {
    ...resourceColumns(),
    ownerId: uuid('owner_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    title: text('title').notNull(),
    description: text('description')
  },
  (table) => [
    // Nearly every list is of one owner, so the owner comes first.
    index('items_owner_id_idx').on(table.ownerId, table.id),
    index('items_title_idx').on(table.title, table.id),
    index('items_created_at_idx').on(table.createdAt, table.id),
    searchIndex('items_search_idx', table.title, table.description)
  ]
)
