import { defineResource } from '#src/resource/define.ts'
import { Category } from '../categories/schema.ts'
import { categories } from '../categories/table.ts'
import { Product } from './schema.ts'
import { products } from './table.ts'

export default defineResource({
  schema: Product,
  table: products,
  access: { read: 'public', write: 'products:write', delete: 'products:delete' },
  events: true,
  list: {
    filter: ['sku', 'name', 'priceCents', 'stock', 'tags', 'categoryId', 'active', 'createdAt'],
    sort: ['sku', 'name', 'priceCents', 'stock', 'categoryId', 'createdAt'],
    search: ['sku', 'name', 'description']
  },
  include: { category: { table: categories, by: 'categoryId', schema: Category } }
})
