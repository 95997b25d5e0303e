import { Type } from '@sinclair/typebox'
import { Currency, Id, Nullable, ReadOnly, Reference, Timestamp } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

export const OrderLine = Type.Object(
  {
    productId: Reference(),
    quantity: Type.Integer({ minimum: 1, maximum: 1_000_000, examples: [3] }),
    unitPriceCents: ReadOnly(Type.Integer({ description: 'The price when the order was placed.', examples: [1800] }))
  },
  { $id: 'OrderLine', title: 'OrderLine' }
)

export const Order = Type.Object(
  {
    id: Id(),
    lines: Type.Array(OrderLine, { minItems: 1, maxItems: 200 }),
    note: Nullable(Type.String({ maxLength: 2000, examples: ['Ring twice.'] })),
    userId: ReadOnly(Reference()),
    status: ReadOnly(Type.Unsafe<string>({ type: 'string', enum: ['pending', 'paid', 'shipped', 'cancelled'] })),
    totalCents: ReadOnly(Type.Integer({ examples: [5400] })),
    currency: ReadOnly(Currency()),
    placedAt: ReadOnly(Timestamp()),
    createdAt: ReadOnly(Timestamp()),
    updatedAt: ReadOnly(Timestamp())
  },
  { $id: 'Order', title: 'Order' }
)
export const { OrderCreate } = variants('Order', Order)
