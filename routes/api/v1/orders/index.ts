import type { ErrorCode } from '#src/errors.ts'
import { defineResource } from '#src/resource/define.ts'
import { Product } from '../products/schema.ts'
import { products } from '../products/table.ts'
import { cancelOrder, payOrder, placeOrder, shipOrder } from './rules.ts'
import { Order, OrderLine } from './schema.ts'
import { orderLines, orders } from './table.ts'

const lines = {
  table: orderLines,
  by: 'orderId',
  many: true,
  sort: 'position',
  schema: OrderLine,
  include: { product: { table: products, by: 'productId', schema: Product } }
} as const

const wrongStep: ErrorCode[] = ['INVALID_TRANSITION']
const errors: Record<string, ErrorCode[]> = {
  create: ['OUT_OF_STOCK', 'RATES_UNAVAILABLE'],
  pay: wrongStep,
  ship: wrongStep,
  cancel: wrongStep
}

export default defineResource({
  schema: Order,
  table: orders,
  owner: 'userId',
  // The shop has to keep the orders of a deleted user.
  whenOwnerLeaves: 'anonymize',
  access: { read: 'orders:read', write: 'orders:write', delete: 'orders:delete' },
  events: { pay: 'paid', ship: 'shipped', cancel: 'cancelled' },
  list: {
    filter: ['userId', 'status', 'totalCents', 'placedAt', 'createdAt'],
    sort: ['totalCents', 'placedAt', 'createdAt']
  },
  include: { lines },
  // A placed order stands: it is cancelled, not changed or deleted.
  operations: { create: placeOrder, update: false, replace: false, remove: false },
  errors,
  actions: {
    // For orders of every buyer, and never open to the buyer.
    pay: { summary: 'Mark a pending order as paid', access: 'orders:fulfil', rows: 'all', run: payOrder },
    ship: { summary: 'Mark a paid order as shipped', access: 'orders:fulfil', rows: 'all', run: shipOrder },
    cancel: { summary: 'Cancel a pending or paid order and give its stock back', run: cancelOrder }
  }
})
