import type { Static } from '@sinclair/typebox'
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import type { OrderCreate } from '#routes/api/v1/orders/schema.ts'
import type { Database, Transaction } from '#src/db/database.ts'
import { ApiError, type Fault, validationFailed } from '#src/errors.ts'
import type { Call } from '#src/resource/declaration.ts'
import { products } from '../products/table.ts'
import { findRates, type Rates } from './rates.ts'
import { orderLines, orders } from './table.ts'

type Line = { productId: string; quantity: number }
type Status = 'pending' | 'paid' | 'shipped' | 'cancelled'

type Placing = Static<typeof OrderCreate>

/** Placing an order: what it costs may depend on exchange rates, which are asked for before the products are locked. */
export const placeOrder = {
  async prepare(app: FastifyInstance, { lines }: Placing) {
    const productIds = lines.map(({ productId }) => productId)
    const rates = await findRates(app, productIds)
    return (call: Call<Placing>) => place(call, rates)
  }
}

/**
 * Takes the stock and fixes the prices, all or nothing.
 * @throws ApiError VALIDATION_FAILED for products that cannot be ordered (together), OUT_OF_STOCK naming the lines.
 */
function place({ db, principal, body }: Call<Placing>, rates: Rates): Promise<{ id: string }> {
  return db.transaction(async (tx) => {
    const found = await lockProducts(tx, body.lines)
    const currency = checkLines(body.lines, found, rates)
    const priced = body.lines.map((line) => ({
      ...line,
      unitPriceCents: priceIn(currency, found.get(line.productId) as Orderable, rates)
    }))
    const totalCents = totalOf(priced)
    await moveStock(tx, body.lines, -1)
    const [order] = await tx
      .insert(orders)
      .values({ userId: principal.userId, note: body.note ?? null, totalCents, currency })
      .returning({ id: orders.id })
    const { id } = order as { id: string }
    await tx.insert(orderLines).values(priced.map((line, position) => ({ ...line, position, orderId: id })))
    return { id }
  })
}

/** `pending` to `paid`. @throws ApiError INVALID_TRANSITION from any other state. */
export const payOrder = ({ db, id, ownerId }: Call) => step(db, id, ownerId, ['pending'], 'paid')

/** `paid` to `shipped`. @throws ApiError INVALID_TRANSITION from any other state. */
export const shipOrder = ({ db, id, ownerId }: Call) => step(db, id, ownerId, ['paid'], 'shipped')

/** `pending` or `paid` to `cancelled`; frees the stock. @throws ApiError INVALID_TRANSITION from any other state. */
export function cancelOrder({ db, id, ownerId }: Call): Promise<{ id: string }> {
  return db.transaction(async (tx) => {
    const order = await step(tx, id, ownerId, ['pending', 'paid'], 'cancelled')
    const lines = await tx
      .select({ productId: orderLines.productId, quantity: orderLines.quantity })
      .from(orderLines)
      .where(eq(orderLines.orderId, id))
    await lockProducts(tx, lines)
    await moveStock(tx, lines, 1)
    return order
  })
}

interface Orderable {
  id: string
  priceCents: number
  currency: string
  stock: number
  active: boolean
}

// Locked in the order of their ids, so that two orders of the same products cannot deadlock.
async function lockProducts(tx: Transaction, lines: Line[]): Promise<Map<string, Orderable>> {
  const { id, priceCents, currency, stock, active } = products
  const found = await tx
    .select({ id, priceCents, currency, stock, active })
    .from(products)
    .where(inArray(id, [...new Set(lines.map((line) => line.productId))]))
    .orderBy(id)
    .for('update')
  return new Map(found.map((product) => [product.id, product]))
}

function checkLines(lines: Line[], found: Map<string, Orderable>, rates: Rates): string {
  const currency = found.get((lines[0] as Line).productId)?.currency as string
  const faults = lines.flatMap(({ productId }, index): Fault[] => {
    const product = found.get(productId)
    const refuse = (code: string, message: string): Fault[] => [
      { in: 'body', path: `/lines/${index}/productId`, code, message }
    ]
    if (!product) return refuse('reference', 'names no product')
    if (!product.active) return refuse('inactive', 'names a product that is no longer sold')
    if (rates(product.currency, currency) === undefined)
      return refuse('currency', `must be sold in ${currency}, like the first line`)
    return []
  })
  if (faults.length > 0) throw validationFailed(faults)
  const ordered = quantities(lines)
  const short = lines.flatMap((line, index) => {
    const { stock } = found.get(line.productId) as Orderable
    const wanted = ordered.get(line.productId) as number
    return wanted > stock ? [{ index, productId: line.productId, ordered: wanted, available: stock }] : []
  })
  if (short.length > 0) {
    throw new ApiError('OUT_OF_STOCK', `There is too little stock for ${short.length} of ${lines.length} lines.`, {
      facts: { lines: short },
      faults: short.map(({ index, available }) => ({
        in: 'body',
        path: `/lines/${index}/quantity`,
        code: 'stock',
        message: `must be <= ${available}, which is all there is`
      }))
    })
  }
  return currency
}

function priceIn(to: string, product: Orderable, rates: Rates): number {
  return Math.round(product.priceCents * (rates(product.currency, to) as number))
}

function totalOf(lines: { unitPriceCents: number; quantity: number }[]): number {
  const total = lines.reduce((sum, line) => sum + BigInt(line.unitPriceCents) * BigInt(line.quantity), 0n)
  if (total <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(total)
  const message = 'must not cost more than 2^53−1 cents together'
  throw validationFailed([{ in: 'body', path: '/lines', code: 'maximum', message }])
}

// The products are already locked, so one statement for all of them cannot deadlock.
async function moveStock(tx: Transaction, lines: Line[], sign: 1 | -1): Promise<void> {
  const moved = [...quantities(lines)]
  const rows = sql.join(
    moved.map(([id, quantity]) => sql`(${id}::uuid, ${sign * quantity}::integer)`),
    sql`, `
  )
  await tx
    .update(products)
    .set({
      stock: sql`${products.stock} + moved.quantity`,
      updatedAt: sql`now()`,
      version: sql`${products.version} + 1`
    })
    .from(sql`(values ${rows}) as moved (id, quantity)`)
    .where(eq(products.id, sql`moved.id`))
}

// A product may stand in several lines of one order.
function quantities(lines: Line[]): Map<string, number> {
  const total = new Map<string, number>()
  for (const { productId, quantity } of lines) total.set(productId, (total.get(productId) ?? 0) + quantity)
  return total
}

async function step(
  db: Database,
  id: string,
  ownerId: string | undefined,
  from: Status[],
  to: Status
): Promise<{ id: string }> {
  const isTheirs = and(eq(orders.id, id), ownerId === undefined ? undefined : eq(orders.userId, ownerId))
  const [changed] = await db
    .update(orders)
    .set({ status: to, updatedAt: sql`now()`, version: sql`${orders.version} + 1` })
    .where(and(isTheirs, inArray(orders.status, from)))
    .returning({ id: orders.id })
  if (changed) return changed
  const [order] = await db.select({ status: orders.status }).from(orders).where(isTheirs)
  if (!order) throw new ApiError('NOT_FOUND', 'There is no Order with this id.')
  throw new ApiError('INVALID_TRANSITION', `An order that is ${order.status} cannot become ${to}.`, {
    facts: { status: order.status, allowedFrom: from }
  })
}
