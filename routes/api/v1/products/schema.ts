import { Type } from '@sinclair/typebox'
import { Currency, Default, Id, Name, Nullable, ReadOnly, Reference, Timestamp } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const Product = Type.Object(
  {
    id: Id(),
    sku: Name({ maxLength: 64, examples: ['OAK-DESK-01'] }),
    name: Name({ maxLength: 200, examples: ['Oak desk'] }),
    description: Nullable(Type.String({ maxLength: 5000, examples: ['Solid oak, oiled.'] })),
    priceCents: Type.Integer({ minimum: 0, maximum: 1_000_000_00, examples: [48900] }),
    currency: Default(Currency(), 'USD'),
    stock: Default(Type.Integer({ minimum: 0, maximum: 1_000_000, examples: [12] }), 0),
    tags: Default(Type.Array(Name({ maxLength: 50 }), { maxItems: 50, examples: [['oak', 'desk']] }), []),
    categoryId: Nullable(Reference()),
    active: Default(Type.Boolean(), true),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Product', title: 'Product' }
)
export const { ProductCreate, ProductUpdate, ProductReplace } = variants('Product', Product)
