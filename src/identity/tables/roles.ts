import { sql } from 'drizzle-orm'
import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'
import { resourceColumns } from '#src/db/columns.ts'

/** A role is a set of scopes. `admin` and `member` come with the first migration. */
export const roles = pgTable(
  'roles',
  {
    ...resourceColumns(),
    // Users refer to a role by its name, so the name is the key; the id only serves the API. The first two roles are
    // inserted by a migration, which has no UUIDv7.
    id: uuid('id').notNull().unique().default(sql`gen_random_uuid()`).$defaultFn(v7),
    name: text('name').primaryKey(),
    scopes: text('scopes').array().notNull()
  },
  (table) => [index('roles_created_at_idx').on(table.createdAt, table.id)]
)
