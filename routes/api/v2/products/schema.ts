import { Type } from '@sinclair/typebox'
import { Product } from '#routes/api/v1/products/schema.ts'
import { Currency, Default } from '#src/schema/fields.ts'
import { variants } from '#src/schema/variants.ts'

const { priceCents, currency: _currency, ...same } = Product.properties

export const Price = Type.Object(
  { amount: { ...priceCents, description: 'In minor units of the currency.' }, currency: Default(Currency(), 'USD') },
  { additionalProperties: false }
)

/** A product with an object as its price; the other fields are as in v1. */
export const ProductV2 = Type.Object({ ...same, price: Price }, { $id: 'ProductV2', title: 'ProductV2' })
export const { ProductV2Create, ProductV2Update, ProductV2Replace } = variants('ProductV2', ProductV2)
