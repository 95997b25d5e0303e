import { Type } from '@sinclair/typebox'
import { Id, Name, Nullable, ReadOnly, Timestamp } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const Category = Type.Object(
  {
    id: Id(),
    name: Name({ maxLength: 100, examples: ['Beverages'] }),
    description: Nullable(Type.String({ maxLength: 2000, examples: ['Soft drinks, coffees, teas, beers, and ales'] })),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Category', title: 'Category' }
)
export const { CategoryCreate, CategoryUpdate, CategoryReplace } = variants('Category', Category)
