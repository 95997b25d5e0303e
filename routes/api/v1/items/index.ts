import { defineResource } from '#src/resource/define.ts'
import { Item } from './schema.ts'
import { items } from './table.ts'

export default defineResource({
  schema: Item,
  table: items,
  owner: 'ownerId',
  access: { read: 'items:read', write: 'items:write', delete: 'items:delete' },
  events: true,
  list: {
    filter: ['title', 'ownerId', 'createdAt'],
    sort: ['title', 'createdAt'],
    search: ['title', 'description']
  }
})
