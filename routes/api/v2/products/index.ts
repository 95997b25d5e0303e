import { Category } from '#routes/api/v1/categories/schema.ts'
import { categories } from '#routes/api/v1/categories/table.ts'
import { products } from '#routes/api/v1/products/table.ts'
import { defineResource } from '#src/resource/define.ts'
import { ProductV2 } from './schema.ts'

export default defineResource({
  schema: ProductV2,
  table: products,
  columns: { price: { amount: 'priceCents', currency: 'currency' } },
  access: { read: 'public', write: 'products:write', delete: 'products:delete' },
  list: {
    filter: ['sku', 'name', 'price.amount', 'stock', 'tags', 'categoryId', 'active', 'createdAt'],
    sort: ['sku', 'name', 'price.amount', 'stock', 'categoryId', 'createdAt'],
    search: ['sku', 'name', 'description']
  },
  include: { category: { table: categories, by: 'categoryId', schema: Category } }
})
