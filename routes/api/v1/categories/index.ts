import { defineResource } from '#src/resource/define.ts'
import { Category } from './schema.ts'
import { categories } from './table.ts'

export default defineResource({
  schema: Category,
  table: categories,
  access: { read: 'public', write: 'categories:write', delete: 'categories:delete' },
  list: { filter: ['name', 'createdAt'], sort: ['name', 'createdAt'], search: ['name', 'description'] }
})
